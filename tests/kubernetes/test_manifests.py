"""What an installer applies is true: definitions, roles, the operator's Deployment, samples, and the Helm chart."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from objstore import __version__
from objstore.kubernetes.kinds import (
    NAMESPACE,
    NETWORK_POLICY,
    OBJECT_STORE,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from objstore.kubernetes.stores import names, network, workload
from objstore.kubernetes.stores.building import templates
from objstore.kubernetes.stores.store import Store
from tests.kubernetes import binaries, crds, helm
from tests.kubernetes.api import Api
from tests.kubernetes.installing import ACCOUNT, CONFIG, install
from tests.kubernetes.installing import NAMESPACE as SYSTEM

SAMPLES = CONFIG / "samples"


@pytest.mark.parametrize("name", sorted(crds.definitions()))
def test_the_definitions_are_those_of_the_types(name: str) -> None:
    written = (crds.FOLDER / name).read_text()
    assert written == crds.text(crds.definitions()[name]), "run: python -m tests.kubernetes.crds --write"


def documents(text: str) -> dict[tuple[str, str, str], Any]:
    """Objects by kind, namespace and name."""
    found = [one for one in yaml.safe_load_all(text) if one]
    keyed = {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in found}
    assert len(keyed) == len(found), "every object once"
    return keyed


def kustomized(folder: Path) -> dict[tuple[str, str, str], Any]:
    if missing := binaries.missing():
        pytest.skip(f"no {', '.join(missing)}: `make kubernetes` builds them where Go is")
    command = [str(binaries.folder() / "kubectl"), "kustomize", str(folder)]
    return documents(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def rendered(folder: Path, *arguments: str, namespace: str = SYSTEM) -> dict[tuple[str, str, str], Any]:
    """The chart, as Helm renders it."""
    if not helm.command().exists():
        pytest.skip("no Helm: `make kubernetes` builds it where Go is")
    command = [
        *(str(helm.command()), "template", "objstore", str(CONFIG / "chart"), "--namespace", namespace),
        *("--kube-version", binaries.VERSION, "--include-crds", *arguments),
    ]
    homes = {f"HELM_{name}_HOME": str(folder) for name in ("CACHE", "CONFIG", "DATA")}
    done = subprocess.run(command, capture_output=True, text=True, env=homes)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def test_the_chart_renders_the_manifests(tmp_path: Path) -> None:
    assert rendered(tmp_path, "--set", "namespace.create=true") == kustomized(CONFIG)


def test_the_chart_follows_its_values(tmp_path: Path) -> None:
    values = ("image.repository=registry.example/objstore", "image.tag=1", "replicas=1", "arguments={--workers,4}")
    found = rendered(tmp_path, *(word for one in values for word in ("--set", one)), namespace="elsewhere")
    assert not [one for one in found if one[0] == "Namespace"]
    assert SYSTEM not in json.dumps(list(found.values()))
    spec = found["Deployment", "elsewhere", "objstore-operator"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    assert spec["replicas"] == 1 and container["args"][-2:] == ["--workers", "4"]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert container["image"] == environment["OBJSTORE_IMAGE"] == "registry.example/objstore:1"


def test_the_chart_is_of_this_release() -> None:
    chart = yaml.safe_load((CONFIG / "chart" / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def test_the_operator_gives_stores_its_own_image() -> None:
    found = kustomized(CONFIG)["Deployment", SYSTEM, "objstore-operator"]
    container = found["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert container["image"] == environment["OBJSTORE_IMAGE"] == "objstore:latest"


def test_no_role_may_do_everything() -> None:
    found = kustomized(CONFIG)
    roles = [one for (kind, _, _), one in found.items() if kind in ("Role", "ClusterRole")]
    assert len(roles) >= 4
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in json.dumps(rule), role["metadata"]["name"]
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
    for (kind, _, name), one in found.items():
        if kind.endswith("RoleBinding"):
            assert one["roleRef"]["name"] == name, "a binding is called like its role"
            assert [subject["name"] for subject in one["subjects"]] == [ACCOUNT]


def test_everything_is_accepted(api: Api) -> None:
    """Twice, as whoever upgrades does; the operator's pods keep to the restricted standard, which is enforced."""
    install(api)
    for _ in range(2):
        api.kubectl("apply", "-k", str(CONFIG))
    found = kustomized(CONFIG)["Deployment", SYSTEM, "objstore-operator"]["spec"]["template"]
    admitted(api, SYSTEM, found)


def admitted(api: Api, namespace: str, template: dict[str, Any]) -> None:
    """Raise Refusal where a pod of the template would not be let in; none is made."""
    body = {**template, "metadata": {**template["metadata"], "name": "admitted"}}
    api.ask("POST", f"{POD.path(namespace)}?dryRun=All", {"apiVersion": "v1", "kind": "Pod", **body})


@pytest.mark.parametrize("name", sorted(one.name for one in SAMPLES.glob("*.yaml") if one.name != "kustomization.yaml"))
def test_the_samples_are_accepted(api: Api, name: str) -> None:
    install(api)
    for namespace in ("storage", "velero"):
        if api.get(NAMESPACE, "", namespace) is None:
            api.create(NAMESPACE, {"metadata": {"name": namespace}})
    known = [
        one
        for one in yaml.safe_load_all((SAMPLES / name).read_text())
        if not one["apiVersion"].startswith("velero.io/")
    ]
    assert known
    api.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=yaml.safe_dump_all(known))


def test_the_samples_are_all_listed() -> None:
    """Save for Velero's, which needs Velero's own kinds."""
    listed = yaml.safe_load((SAMPLES / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml", "velero.yaml"} == {one.name for one in SAMPLES.glob("*.yaml")}


EVERYTHING: dict[str, Any] = {
    "volumeClaimTemplates": [
        {
            "name": "disk",
            "count": 4,
            "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
            "spec": {
                "storageClassName": "local",
                "accessModes": ["ReadWriteOncePod"],
                "volumeMode": "Filesystem",
                "selector": {"matchLabels": {"a": "b"}},
                "resources": {"requests": {"storage": "1Ti"}},
            },
        },
        {"name": "large", "count": 2, "spec": {"resources": {"requests": {"storage": 2000000000}}}},
    ],
    "image": "registry.example/objstore:1",
    "imagePullPolicy": "Always",
    "imagePullSecrets": [{"name": "pull"}],
    "mountPath": "/mnt",
    "erasureCoded": {"dataChunks": 4, "codingChunks": 2},
    "durability": "relaxed",
    "region": "eu-central-1",
    "settings": "scrub_period = 100000.0\n[limits]\nconnections = 100\n",
    "credentials": {"name": "root"},
    "masterKey": {"name": "master", "key": "key"},
    "gateway": {
        "securePort": 8443,
        "certificate": {
            "issuerRef": {"name": "ca", "kind": "ClusterIssuer"},
            "duration": "2160h",
            "renewBefore": "360h",
        },
        "caBundleRef": "bundle",
        "instances": 1,
        "workers": 4,
        "service": {
            "type": "LoadBalancer",
            "labels": {"a": "b"},
            "annotations": {"c": "d"},
            "loadBalancerClass": "example.com/lb",
            "externalTrafficPolicy": "Local",
        },
    },
    "hosting": {
        "advertiseEndpoint": {"dnsName": "s3.example.com", "port": 443, "useTls": True},
        "dnsNames": ["s3.example.com", "s3.internal"],
    },
    "clusterDomain": "cluster.example",
    "allowUsersInNamespaces": ["*"],
    "preserveDataOnDelete": False,
    "annotations": {"c": "d"},
    "labels": {"team": "storage", "app.kubernetes.io/instance": "another"},
    "placement": {
        "nodeSelector": {"disk": "many"},
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}},
                }
            ]
        },
        "tolerations": [{"key": "storage", "operator": "Exists", "effect": "NoSchedule"}],
    },
    "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    "priorityClassName": "system-cluster-critical",
    "runtimeClassName": "gvisor",
    "healthCheck": {
        "intervalSeconds": 30,
        "startupProbe": {"probe": {"failureThreshold": 1000}},
        "readinessProbe": {"disabled": True},
        "livenessProbe": {"probe": {"periodSeconds": 60, "timeoutSeconds": 30, "initialDelaySeconds": 1}},
    },
    "networkPolicy": {
        "enabled": True,
        "from": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "1m"},
    "bucketStorageClass": {"name": "buckets", "reclaimPolicy": "Retain"},
    "maxUnavailable": 0,
}


def test_every_field_is_accepted_and_has_its_effect(api: Api) -> None:
    """Nothing that the schema lets in is ignored: each field of the spec is somewhere in what is built."""
    install(api)
    namespace = api.namespace("everything")
    api.patch(NAMESPACE, "", namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    assert set(EVERYTHING) == set(crds.schema(crds.ObjectStoreSpec)["properties"])
    body = {"metadata": {"namespace": namespace, "name": "whole"}, "spec": EVERYTHING}
    made = api.create(OBJECT_STORE, body)
    assert made["spec"] == EVERYTHING, "nothing was pruned"
    store = Store.of(made)
    wanted = workload.stateful_set(store, image="unused", version="1")
    stateful_set = api.create(STATEFUL_SET, wanted)
    assert templates(stateful_set) == templates(wanted), "else it would be made again and again"
    template = stateful_set["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    assert template["metadata"]["labels"] == {**names.labels("whole"), "team": "storage"}
    assert [one["metadata"]["name"] for one in stateful_set["spec"]["volumeClaimTemplates"]] == store.spec.drives
    first = stateful_set["spec"]["volumeClaimTemplates"][0]
    assert first["metadata"]["labels"]["a"] == "b" and first["metadata"]["annotations"] == {"c": "d"}
    assert (first["spec"]["storageClassName"], first["spec"]["accessModes"]) == ("local", ["ReadWriteOncePod"])
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert {mounts[name] for name in store.spec.drives} == {f"/mnt/{name}" for name in store.spec.drives}
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example/objstore:1", "Always")
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert (pod["priorityClassName"], pod["runtimeClassName"]) == ("system-cluster-critical", "gvisor")
    assert pod["nodeSelector"] == {"disk": "many"} and pod["tolerations"][0]["key"] == "storage"
    assert set(pod["affinity"]) == {"nodeAffinity", "podAntiAffinity"}
    assert container["resources"] == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    assert "readinessProbe" not in container and container["startupProbe"]["failureThreshold"] == 1000
    assert container["livenessProbe"]["httpGet"] == {"path": "/-/health/live", "port": "https", "scheme": "HTTPS"}
    secrets = {one["name"]: one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one}
    assert secrets == {"credentials": "root", "master-key": "master", "tls": "whole-tls"}
    del pod["runtimeClassName"]  # whose RuntimeClass is not there
    pod["volumes"] += [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in store.spec.drives]
    api.create(SERVICE_ACCOUNT, network.service_account(store))
    admitted(api, namespace, template)

    service = network.client_service(store)
    api.create(SERVICE, service)
    assert service["spec"]["ports"][0] == {"name": "https", "port": 8443, "targetPort": "https", "protocol": "TCP"}
    assert service["metadata"]["annotations"] == {"c": "d"}
    policy = api.create(NETWORK_POLICY, network.network_policy(store, SYSTEM))
    assert len(policy["spec"]["ingress"][0]["from"]) == 3, "and the operator"
    assert network.disruption_budget(store)["spec"]["maxUnavailable"] == 0
    storage_class = network.storage_class(store, "provisioner")
    assert (storage_class["metadata"]["name"], storage_class["reclaimPolicy"]) == ("buckets", "Retain")
    certificate = network.certificate(store)
    assert certificate is not None and certificate["spec"]["issuerRef"]["kind"] == "ClusterIssuer"
    assert {"s3.internal", "*.s3.internal", f"whole.{namespace}.svc.cluster.example"} <= set(
        certificate["spec"]["dnsNames"]
    )
    monitor = network.service_monitor(store)
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"][0]["interval"] == "1m"
    assert store.endpoint.url == "https://s3.example.com:443"
