"""ObjectStores against a real API server, by the operator with the role that it ships, and by a real store."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from objstore.kubernetes.kinds import (
    CERTIFICATE,
    CONFIG_MAP,
    EVENT,
    NETWORK_POLICY,
    OBJECT_BUCKET,
    OBJECT_STORE,
    OBJECT_STORE_USER,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    STATEFUL_SET,
    STORAGE_CLASS,
    Kind,
)
from objstore.kubernetes.stores import settings
from objstore.kubernetes.stores.store import Store
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.kubernetes.api import Api, Operator, Refusal
from tests.kubernetes.installing import install, operating, until
from tests.server.test_tls import Secure, certificate


@pytest.fixture(scope="module")
def operator(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    install(api)
    with operating(api, tmp_path_factory.mktemp("operator")) as started:
        yield started


def drives(count: int = 4, name: str = "disk", storage: str = "10Gi", **spec: Any) -> dict[str, Any]:
    """A template of drives."""
    return {"name": name, "count": count, "spec": {"resources": {"requests": {"storage": storage}}, **spec}}


def store(namespace: str, name: str = "main", *templates: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """An ObjectStore."""
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"volumeClaimTemplates": list(templates) or [drives()], **spec},
    }


def condition(api: Api, namespace: str, kind: str, name: str = "main") -> tuple[str, str]:
    """The status and the reason of a condition of an ObjectStore."""
    found = api.get(OBJECT_STORE, namespace, name)
    for one in ((found or {}).get("status") or {}).get("conditions", ()):
        if one["type"] == kind:
            return one["status"], one["reason"]
    return "", ""


def events(api: Api, namespace: str) -> set[str]:
    return {one["reason"] for one in api.list(EVENT, namespace)}


OWNED = (
    (STATEFUL_SET, "main"),
    (SERVICE, "main"),
    (SERVICE, "main-nodes"),
    (CONFIG_MAP, "main-settings"),
    (SERVICE_ACCOUNT, "main"),
    (NETWORK_POLICY, "main"),
    (POD_DISRUPTION_BUDGET, "main"),
)


def built(api: Api, operator: Operator, namespace: str, name: str = "main") -> Any:
    """The StatefulSet of a store, when it is there."""
    return until(lambda: api.get(STATEFUL_SET, namespace, name), "a StatefulSet", operator)


def test_a_store_is_built_and_drift_is_mended(api: Api, operator: Operator) -> None:
    namespace = api.namespace("built")
    api.create(OBJECT_STORE, store(namespace))
    made = built(api, operator, namespace)
    assert [one["metadata"]["name"] for one in made["spec"]["volumeClaimTemplates"]] == [
        f"disk-{n}" for n in (1, 2, 3, 4)
    ]
    owner = api.get(OBJECT_STORE, namespace, "main")
    assert owner["metadata"]["finalizers"] == ["objstore.io/finalizer"]
    for kind, name in OWNED:
        found = until(lambda kind=kind, name=name: api.get(kind, namespace, name), f"{kind.name} {name}", operator)
        assert [one["uid"] for one in found["metadata"]["ownerReferences"]] == [owner["metadata"]["uid"]], kind.name
        assert found["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "objstore-operator"
    storage_class = until(lambda: api.get(STORAGE_CLASS, "", f"{namespace}-main"), "a StorageClass", operator)
    assert storage_class["provisioner"] == "objstore-system.objstore.io/bucket"
    assert storage_class["parameters"]["objectStoreName"] == "main"
    assert storage_class["parameters"]["objectStoreNamespace"] == namespace
    secret = api.get(SECRET, namespace, "main-root-credentials")
    assert set(secret["data"]) == {"username", "password"} and "ownerReferences" not in secret["metadata"]
    until(lambda: condition(api, namespace, "Refused")[0] == "False", "a status", operator)

    drifted: list[tuple[Kind, str, dict[str, Any]]] = [
        (STATEFUL_SET, "main", {"spec": {"replicas": 0, "template": {"spec": {"terminationGracePeriodSeconds": 1}}}}),
        (SERVICE, "main", {"spec": {"selector": {"app.kubernetes.io/instance": "another"}}}),
        (SERVICE, "main-nodes", {"metadata": {"labels": {"app.kubernetes.io/part-of": "another"}}}),
        (CONFIG_MAP, "main-settings", {"data": {"objstore.toml": "drives = []"}}),
        (SERVICE_ACCOUNT, "main", {"automountServiceAccountToken": True}),
        (NETWORK_POLICY, "main", {"spec": {"ingress": []}}),
        (POD_DISRUPTION_BUDGET, "main", {"spec": {"maxUnavailable": 0}}),
    ]
    before = {(kind, name): comparable(api.get(kind, namespace, name)) for kind, name, _ in drifted}
    for kind, name, change in drifted:
        api.patch(kind, namespace, name, change)
    for (kind, name), was in before.items():
        until(lambda k=kind, n=name, w=was: comparable(api.get(k, namespace, n)) == w, f"{kind.name} {name}", operator)
    for kind, name in OWNED:
        api.delete(kind, namespace, name)
    for kind, name in OWNED:
        until(lambda k=kind, n=name: comparable(api.get(k, namespace, n)), f"{kind.name} {name} again", operator)
    api.delete(STORAGE_CLASS, "", f"{namespace}-main")
    until(lambda: api.get(STORAGE_CLASS, "", f"{namespace}-main"), "the StorageClass again", operator)
    assert api.get(SECRET, namespace, "main-root-credentials") == secret, "credentials are generated once"


def comparable(found: Any) -> Any:
    """An object without what changes with every write."""
    if found is None:
        return None
    found = copy.deepcopy(found)
    for name in ("resourceVersion", "generation", "managedFields"):
        found["metadata"].pop(name, None)
    found.pop("status", None)
    return found


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("no drives", {"volumeClaimTemplates": []}, "volumeClaimTemplates"),
    ("two instances", {"gateway": {"instances": 2}}, "the server runs on one node for now"),
    (
        "two certificates",
        {"gateway": {"sslCertificateRef": "a", "certificate": {"issuerRef": {"name": "b"}}}},
        "not from both",
    ),
    ("TLS without a certificate", {"gateway": {"securePort": 443}}, "TLS needs a certificate"),
    ("two ports", {"gateway": {"port": 80, "sslCertificateRef": "a"}}, "speaks TLS only"),
    ("parity", {"erasureCoded": {"codingChunks": 3}}, "at most half of the drives may fail"),
    ("geometry", {"erasureCoded": {"dataChunks": 3, "codingChunks": 2}}, "must add up to that"),
    ("settings", {"settings": 'lifecycle_day = 1.0\nroot_user = "me"'}, "fields of their own or are secrets"),
    ("too many drives", {"volumeClaimTemplates": [drives(40), drives(40, "other")]}, "at most 64 drives"),
    ("a quantity", {"volumeClaimTemplates": [drives(storage="ten")]}, "storage"),
    ("a block device", {"volumeClaimTemplates": [drives(volumeMode="Block")]}, "Filesystem"),
    ("durability", {"durability": "lax"}, "durability"),
]


@pytest.mark.parametrize(("what", "spec", "message"), REFUSALS, ids=[one[0] for one in REFUSALS])
def test_admission_refuses_and_names_the_field(
    api: Api, operator: Operator, what: str, spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refusal, match=message) as refusal:
        api.create(OBJECT_STORE, store("default", "refused", **spec))
    assert refusal.value.status == 422 and "spec." in refusal.value.message


def test_admission_refuses_names_that_services_cannot_have(api: Api, operator: Operator) -> None:
    for name in ("1st", "a" * 53):
        with pytest.raises(Refusal, match="a store's name is a DNS label"):
            api.create(OBJECT_STORE, store("default", name))


def test_settings_of_tables_are_no_own_settings(api: Api, operator: Operator) -> None:
    namespace = api.namespace("tables")
    settings = '[kms]\nengine = "vault"\n[kms.vault]\naddress = "https://vault:8200"\n'
    api.create(OBJECT_STORE, store(namespace, settings=settings, erasureCoded={"dataChunks": 2, "codingChunks": 2}))
    found = until(lambda: api.get(CONFIG_MAP, namespace, "main-settings"), "settings", operator)
    assert 'address = ":9000"' in found["data"]["objstore.toml"] and "vault:8200" in found["data"]["objstore.toml"]


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("fewer drives", {"volumeClaimTemplates": [drives(3, storageClassName="fast")]}, "never gets fewer"),
    ("another name", {"volumeClaimTemplates": [drives(4, "other")]}, "cannot be taken away"),
    ("smaller volumes", {"volumeClaimTemplates": [drives(storage="9Gi", storageClassName="fast")]}, "never smaller"),
    ("another class", {"volumeClaimTemplates": [drives(storageClassName="slow")]}, "storage class of existing drives"),
    ("no class", {"volumeClaimTemplates": [drives()]}, "storage class of existing drives"),
    ("a master key", {"masterKey": {"name": "key", "key": "key"}}, "from its first start on"),
    ("another place", {"mountPath": "/mnt"}, "stay where they are"),
]


def test_admission_refuses_changes_that_lose_data(api: Api, operator: Operator) -> None:
    namespace = api.namespace("changes")
    api.create(OBJECT_STORE, store(namespace, "main", drives(storageClassName="fast")))
    for what, spec, message in CHANGES:
        with pytest.raises(Refusal, match=message):
            api.patch(OBJECT_STORE, namespace, "main", {"spec": spec})
            pytest.fail(what)
    larger = [drives(5, storage="20Gi", storageClassName="fast"), drives(2, "new", storageClassName="slow")]
    api.patch(OBJECT_STORE, namespace, "main", {"spec": {"volumeClaimTemplates": larger}})


def claim(api: Api, namespace: str, drive: str, storage: str = "10Gi", **spec: Any) -> None:
    """The volume of a drive, as a StatefulSet's controller makes it."""
    labels = {"app.kubernetes.io/name": "objstore", "app.kubernetes.io/instance": "main"}
    body = {
        "metadata": {
            "name": f"{drive}-main-0",
            "namespace": namespace,
            "labels": {**labels, "app.kubernetes.io/component": "store"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}, **spec},
    }
    api.create(PERSISTENT_VOLUME_CLAIM, body)


@pytest.mark.parametrize(
    ("reason", "volumes"),
    [
        ("DrivesMissing", [("disk-5", {})]),
        ("VolumeShrinks", [("disk-1", {"storage": "11Gi"})]),
        ("StorageClassChanged", [("disk-2", {"storageClassName": "other"})]),
    ],
)
def test_volumes_that_are_there_are_never_forgotten(
    api: Api, operator: Operator, reason: str, volumes: list[tuple[str, dict[str, Any]]]
) -> None:
    """The object was deleted and made again by hand: admission saw no change, the operator does."""
    namespace = api.namespace(f"kept-{reason.lower()}")
    for drive, spec in volumes:
        claim(api, namespace, drive, **spec)
    api.create(OBJECT_STORE, store(namespace, "main", drives(storageClassName="fast")))
    until(lambda: condition(api, namespace, "Refused") == ("True", reason), "a refusal", operator)
    assert reason in events(api, namespace)
    assert api.get(STATEFUL_SET, namespace, "main") is None
    assert api.get(OBJECT_STORE, namespace, "main")["status"]["phase"] == "Refused"
    for drive, _ in volumes:
        api.delete(PERSISTENT_VOLUME_CLAIM, namespace, f"{drive}-main-0")
        release(api, PERSISTENT_VOLUME_CLAIM, namespace, f"{drive}-main-0")
    api.patch(OBJECT_STORE, namespace, "main", {"metadata": {"annotations": {"look": "again"}}})
    built(api, operator, namespace)
    until(lambda: condition(api, namespace, "Refused")[0] == "False", "no refusal any more", operator)


def release(api: Api, kind: Kind, namespace: str, name: str) -> None:
    """Let an object go that Kubernetes' own controllers would, if they ran."""
    if api.get(kind, namespace, name) is not None:
        api.patch(kind, namespace, name, {"metadata": {"finalizers": None}})


def test_one_that_cannot_be_read_does_not_stop_the_others(api: Api, operator: Operator) -> None:
    """A definition of another release let it in."""
    namespace = api.namespace("unread")
    definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/objectstores.objstore.io"
    whole = api.ask("GET", definition)
    loose = {"x-kubernetes-preserve-unknown-fields": True}
    versions = copy.deepcopy(whole["spec"]["versions"])
    versions[0]["schema"]["openAPIV3Schema"] = {"type": "object", "properties": {"spec": loose, "status": loose}}
    api.ask("PATCH", definition, {"spec": {"versions": versions}}, "application/merge-patch+json")
    bad: list[tuple[str, Any]] = [
        ("list", ["disk"]),
        ("text", "disk"),
        ("nothing", {}),
        ("words", {"volumeClaimTemplates": "four"}),
    ]
    try:
        for name, spec in bad:
            until(
                lambda n=name, s=spec: made(api, {"metadata": {"namespace": namespace, "name": n}, "spec": s}),
                "a loose definition",
            )
    finally:
        api.ask("PATCH", definition, {"spec": {"versions": whole["spec"]["versions"]}}, "application/merge-patch+json")
    api.create(OBJECT_STORE, store(namespace, "good"))
    built(api, operator, namespace, "good")
    until(lambda: invalid(api, namespace) == {name for name, _ in bad}, "an event each", operator)
    for name, _ in bad:
        api.delete(OBJECT_STORE, namespace, name)
        until(lambda n=name: api.get(OBJECT_STORE, namespace, n) is None, f"{name} is gone", operator)


def made(api: Api, body: dict[str, Any]) -> bool:
    try:
        api.create(OBJECT_STORE, body)
    except Refusal:
        return False
    return True


def invalid(api: Api, namespace: str) -> set[str]:
    """The objects that were said to be invalid."""
    return {one["involvedObject"]["name"] for one in api.list(EVENT, namespace) if one["reason"] == "InvalidSpec"}


def settled(api: Api, namespace: str) -> None:
    """Say of the StatefulSet what its controller would, if it ran: all pods are there and ready."""
    found = api.get(STATEFUL_SET, namespace, "main")
    if found is not None:
        generation = found["metadata"]["generation"]
        counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "currentReplicas"), 1)
        status = {"observedGeneration": generation, **counts}
        api.patch(STATEFUL_SET, namespace, "main", {"status": status}, "status")


def pod(api: Api, namespace: str, *volumes: str) -> None:
    """The pod of a store, with the volumes of these drives."""
    claims = [{"name": one, "persistentVolumeClaim": {"claimName": f"{one}-main-0"}} for one in volumes]
    container = {"name": "objstore", "image": "objstore"}
    api.create(
        POD,
        {
            "metadata": {"namespace": namespace, "name": "main-0"},
            "spec": {"containers": [container], "volumes": claims},
        },
    )


def phase(api: Api, namespace: str) -> str:
    found = api.get(OBJECT_STORE, namespace, "main") or {}
    return str((found.get("status") or {}).get("phase"))


def listed(api: Api, namespace: str) -> list[str]:
    """The drives in the settings."""
    found = api.get(CONFIG_MAP, namespace, "main-settings")
    return [Path(one).name for one in tomllib.loads(found["data"]["objstore.toml"])["drives"]]


def running_store(folder: Path, drives: int) -> Running:
    """A real server that a store can be about: its drives are where the pods would have them."""
    folder.mkdir()
    return Running(
        drives=[folder / f"disk-{n}" for n in range(1, drives + 1)], log=folder.parent / "server.log"
    ).start()


def about(server: Running, namespace: str, api: Api, count: int) -> dict[str, Any]:
    """An ObjectStore that is served by `server`."""
    credentials = {"username": ROOT_USER, "password": ROOT_PASSWORD}
    api.create(SECRET, {"metadata": {"namespace": namespace, "name": "given"}, "stringData": credentials})
    return store(
        namespace,
        "main",
        drives(count),
        credentials={"name": "given"},
        mountPath=str(server.drives[0].parent),
        hosting={"advertiseEndpoint": {"dnsName": "127.0.0.1", "port": server.port, "useTls": False}},
        healthCheck={"intervalSeconds": 1},
    )


def test_a_running_store_is_told_of_and_grows(api: Api, operator: Operator, tmp_path: Path) -> None:
    namespace = api.namespace("grows")
    server = running_store(tmp_path / "drives", 2)
    try:
        api.create(OBJECT_STORE, about(server, namespace, api, 2))
        first = built(api, operator, namespace)
        until(lambda: condition(api, namespace, "Ready") == ("True", "Serving"), "a store that serves", operator)
        assert phase(api, namespace) == "Progressing", "the StatefulSet has not said that it is done"
        settled(api, namespace)
        until(lambda: phase(api, namespace) == "Ready", "Ready", operator)
        status = api.get(OBJECT_STORE, namespace, "main")["status"]
        assert status["info"] == {"endpoint": server.endpoint}
        assert (status["drives"]["desired"], status["drives"]["joined"], status["drives"]["online"]) == (2, 2, 2)
        assert status["healing"]["shards"] == 0 and status["version"]
        assert api.get(SECRET, namespace, "main-root-credentials") is None, "others were given"

        pod(api, namespace, "disk-1", "disk-2")
        api.patch(OBJECT_STORE, namespace, "main", {"spec": {"volumeClaimTemplates": [drives(3)]}})
        second = until(
            lambda: (now := built(api, operator, namespace))["metadata"]["uid"] != first["metadata"]["uid"] and now,
            "another StatefulSet",
            operator,
        )
        assert len(second["spec"]["volumeClaimTemplates"]) == 3
        until(lambda: api.get(POD, namespace, "main-0") is None, "the pod, which lacks a volume, is ended", operator)
        settled(api, namespace)
        until(lambda: "not taken in yet" in progress(api, namespace), "the new volume is not there", operator)
        assert listed(api, namespace) == ["disk-1", "disk-2"], "a start on more empty folders would be refused"
        (tmp_path / "drives" / "disk-3").mkdir()
        until(lambda: phase(api, namespace) == "Ready", "Ready again", operator)
        assert api.get(OBJECT_STORE, namespace, "main")["status"]["drives"]["joined"] == 3
        until(lambda: listed(api, namespace) == ["disk-1", "disk-2", "disk-3"], "the longer list", operator)
        assert "DriveJoins" in events(api, namespace)

        # A spec that is refused does not keep the status from telling how the store is.
        claim(api, namespace, "disk-9")
        until(lambda: condition(api, namespace, "Refused") == ("True", "DrivesMissing"), "a refusal", operator)
        assert condition(api, namespace, "Ready") == ("True", "Serving")
        drop(api, PERSISTENT_VOLUME_CLAIM, namespace, "disk-9-main-0")
        until(lambda: phase(api, namespace) == "Ready", "Ready again", operator)

        server.kill()
        until(lambda: condition(api, namespace, "Ready") == ("False", "NoAnswer"), "no answer", operator)
        assert phase(api, namespace) == "Degraded"
    finally:
        server.kill()


def test_a_store_with_a_certificate_of_a_private_authority(api: Api, operator: Operator, tmp_path: Path) -> None:
    """The operator checks it by the ca.crt of its Secret, and says what is wrong where that is another's."""
    namespace = api.namespace("secure")
    chain, key = certificate(tmp_path / "used")
    other, _ = certificate(tmp_path / "other")
    arguments = ("--tls-cert", str(chain), "--tls-key", str(key))
    (tmp_path / "drives").mkdir()
    server = Secure(drives=[tmp_path / "drives" / "disk-1"], log=tmp_path / "server.log", arguments=arguments)
    data = {"tls.crt": chain.read_text(), "tls.key": key.read_text(), "ca.crt": other.read_text()}
    secret = {"metadata": {"namespace": namespace, "name": "tls"}, "type": "kubernetes.io/tls", "stringData": data}
    api.create(SECRET, secret)
    try:
        server.start()
        asked = about(server, namespace, api, 1)
        asked["spec"]["gateway"] = {"sslCertificateRef": "tls"}
        asked["spec"]["hosting"]["advertiseEndpoint"]["useTls"] = True
        api.create(OBJECT_STORE, asked)
        until(lambda: "certificate" in message(api, namespace, "Ready").lower(), "a certificate of nobody", operator)
        api.patch(SECRET, namespace, "tls", {"stringData": {"ca.crt": chain.read_text()}})
        until(lambda: condition(api, namespace, "Ready") == ("True", "Serving"), "a store that serves", operator)
        status = api.get(OBJECT_STORE, namespace, "main")["status"]
        assert status["info"] == {"secureEndpoint": server.endpoint}
    finally:
        server.kill()


def message(api: Api, namespace: str, kind: str) -> str:
    """What a condition of an ObjectStore says."""
    conditions = ((api.get(OBJECT_STORE, namespace, "main") or {}).get("status") or {}).get("conditions", ())
    return "".join(one["message"] for one in conditions if one["type"] == kind)


def progress(api: Api, namespace: str) -> str:
    return message(api, namespace, "Progressing")


def test_volumes_are_made_larger(api: Api, operator: Operator) -> None:
    namespace = api.namespace("larger")
    api.create(
        STORAGE_CLASS, {"metadata": {"name": f"{namespace}-e"}, "provisioner": "x", "allowVolumeExpansion": True}
    )
    sized = {"storageClassName": f"{namespace}-e"}
    api.create(OBJECT_STORE, store(namespace, "main", drives(1, **sized)))
    first = built(api, operator, namespace)
    claim(api, namespace, "disk-1", **sized)
    bound = "/api/v1/namespaces/{}/persistentvolumeclaims/disk-1-main-0/status"
    api.ask("PATCH", bound.format(namespace), {"status": {"phase": "Bound"}}, "application/merge-patch+json")
    api.patch(OBJECT_STORE, namespace, "main", {"spec": {"volumeClaimTemplates": [drives(1, storage="20Gi", **sized)]}})
    asked = ("spec", "resources", "requests", "storage")
    until(
        lambda: inside(api.get(PERSISTENT_VOLUME_CLAIM, namespace, "disk-1-main-0"), *asked) == "20Gi", "20Gi", operator
    )
    until(lambda: built(api, operator, namespace)["metadata"]["uid"] != first["metadata"]["uid"], "a new one", operator)

    api.patch(STORAGE_CLASS, "", f"{namespace}-e", {"allowVolumeExpansion": False})
    api.patch(OBJECT_STORE, namespace, "main", {"spec": {"volumeClaimTemplates": [drives(1, storage="30Gi", **sized)]}})
    until(lambda: condition(api, namespace, "Refused") == ("True", "VolumeCannotGrow"), "a refusal", operator)


def inside(found: Any, *path: str) -> Any:
    for name in path:
        found = found[name]
    return found


def test_a_change_of_settings_or_credentials_rolls_the_pods(api: Api, operator: Operator) -> None:
    namespace = api.namespace("rolls")
    api.create(OBJECT_STORE, store(namespace))
    hashed = ("spec", "template", "metadata", "annotations", "objstore.io/settings-hash")
    seen = [inside(built(api, operator, namespace), *hashed)]
    image = ("spec", "template", "spec", "containers")
    changes: list[tuple[Kind, str, dict[str, Any]]] = [
        (OBJECT_STORE, "main", {"spec": {"region": "eu-central-1"}}),
        (OBJECT_STORE, "main", {"spec": {"erasureCoded": {"codingChunks": 1}}}),
        (SECRET, "main-root-credentials", {"stringData": {"password": "another-password"}}),
    ]
    for kind, name, change in changes:
        api.patch(kind, namespace, name, change)
        until(lambda: inside(built(api, operator, namespace), *hashed) not in seen, "another digest", operator)
        seen.append(inside(built(api, operator, namespace), *hashed))
    api.patch(OBJECT_STORE, namespace, "main", {"spec": {"image": "objstore:newer"}})
    until(lambda: inside(built(api, operator, namespace), *image)[0]["image"] == "objstore:newer", "an image", operator)
    assert inside(built(api, operator, namespace), *hashed) == seen[-1]
    assert api.get(SECRET, namespace, "main-root-credentials")["data"]["password"], "nobody writes over it"


def test_a_store_waits_for_what_is_bound_and_its_data_stay(api: Api, operator: Operator) -> None:
    namespace = api.namespace("bound")
    api.create(OBJECT_STORE, store(namespace))
    built(api, operator, namespace)
    claim(api, namespace, "disk-1")
    storage_class = f"{namespace}-main"
    until(lambda: api.get(STORAGE_CLASS, "", storage_class), "a StorageClass", operator)
    api.create(OBJECT_STORE_USER, {"metadata": {"namespace": namespace, "name": "ada"}, "spec": {"store": "main"}})
    bucket = f"obc-{namespace}-one"
    api.create(OBJECT_BUCKET, {"metadata": {"name": bucket}, "spec": {"storageClassName": storage_class}})
    api.delete(OBJECT_STORE, namespace, "main")
    until(lambda: "StillBound" in events(api, namespace), "an event", operator)
    until(lambda: phase(api, namespace) == "Deleting", "a phase", operator)
    told = [one["message"] for one in api.list(EVENT, namespace) if one["reason"] == "StillBound"]
    assert f"ObjectBucket {bucket}, ObjectStoreUser {namespace}/ada" in told[0]
    assert api.get(STATEFUL_SET, namespace, "main") and api.get(STORAGE_CLASS, "", storage_class)
    api.delete(OBJECT_BUCKET, "", bucket)
    drop(api, OBJECT_STORE_USER, namespace, "ada")
    until(lambda: api.get(OBJECT_STORE, namespace, "main") is None, "the store is gone", operator)
    for kind, name in OWNED:
        until(lambda k=kind, n=name: api.get(k, namespace, n) is None, f"{kind.name} {name} is gone", operator)
    until(lambda: api.get(STORAGE_CLASS, "", storage_class) is None, "the StorageClass is gone", operator)
    kept = api.get(PERSISTENT_VOLUME_CLAIM, namespace, "disk-1-main-0")
    assert kept is not None and "deletionTimestamp" not in kept["metadata"]
    assert api.get(SECRET, namespace, "main-root-credentials") is not None
    assert "DataKept" in events(api, namespace)


def drop(api: Api, kind: Kind, namespace: str, name: str) -> None:
    api.delete(kind, namespace, name)
    release(api, kind, namespace, name)


def test_data_go_where_the_spec_says_so(api: Api, operator: Operator) -> None:
    namespace = api.namespace("goes")
    api.create(OBJECT_STORE, store(namespace, preserveDataOnDelete=False))
    built(api, operator, namespace)
    claim(api, namespace, "disk-1")
    other = {"metadata": {"name": "disk-1-other-0", "namespace": namespace}}
    api.create(
        PERSISTENT_VOLUME_CLAIM, {**other, "spec": api.get(PERSISTENT_VOLUME_CLAIM, namespace, "disk-1-main-0")["spec"]}
    )
    api.delete(OBJECT_STORE, namespace, "main")
    until(lambda: api.get(OBJECT_STORE, namespace, "main") is None, "the store is gone", operator)
    going = api.get(PERSISTENT_VOLUME_CLAIM, namespace, "disk-1-main-0")
    assert going is None or "deletionTimestamp" in going["metadata"]
    assert api.get(SECRET, namespace, "main-root-credentials") is None
    assert "deletionTimestamp" not in api.get(PERSISTENT_VOLUME_CLAIM, namespace, "disk-1-other-0")["metadata"]


def test_what_is_somebody_elses_is_left_alone(api: Api, operator: Operator) -> None:
    namespace = api.namespace("taken")
    theirs = {"selector": {"app": "theirs"}, "ports": [{"port": 1}]}
    before = api.create(SERVICE, {"metadata": {"namespace": namespace, "name": "main"}, "spec": theirs})
    api.create(STORAGE_CLASS, {"metadata": {"name": f"{namespace}-other"}, "provisioner": "theirs"})
    api.create(OBJECT_STORE, store(namespace))
    until(lambda: condition(api, namespace, "Refused") == ("True", "NameTaken"), "a refusal", operator)
    assert api.get(SERVICE, namespace, "main") == before
    api.delete(SERVICE, namespace, "main")
    built(api, operator, namespace)
    until(lambda: condition(api, namespace, "Refused")[0] == "False", "no refusal any more", operator)

    api.patch(OBJECT_STORE, namespace, "main", {"spec": {"bucketStorageClass": {"name": f"{namespace}-other"}}})
    until(lambda: condition(api, namespace, "Refused") == ("True", "StorageClassTaken"), "a refusal", operator)
    assert api.get(STORAGE_CLASS, "", f"{namespace}-other")["provisioner"] == "theirs"
    change = {"spec": {"bucketStorageClass": {"name": f"{namespace}-new", "reclaimPolicy": "Retain"}}}
    api.patch(OBJECT_STORE, namespace, "main", change)
    made = until(lambda: api.get(STORAGE_CLASS, "", f"{namespace}-new"), "another StorageClass", operator)
    assert made["reclaimPolicy"] == "Retain"
    until(lambda: api.get(STORAGE_CLASS, "", f"{namespace}-main") is None, "the one before is gone", operator)


def definition(kind: Kind) -> dict[str, Any]:
    """A definition of somebody else's kind, which takes anything."""
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": loose}}
    named = {"kind": kind.name, "plural": kind.plural}
    spec = {"group": kind.group, "names": named, "scope": "Namespaced", "versions": [version]}
    return {"metadata": {"name": f"{kind.plural}.{kind.group}"}, "spec": spec}


def test_certificates_and_monitors_where_their_kinds_are(api: Api, operator: Operator) -> None:
    namespace = api.namespace("others")
    gateway = {"certificate": {"issuerRef": {"name": "ca"}}}
    api.create(OBJECT_STORE, store(namespace, gateway=gateway))
    until(lambda: condition(api, namespace, "Refused") == ("True", "CertManagerMissing"), "a refusal", operator)
    definitions = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)
    try:
        for kind in (CERTIFICATE, SERVICE_MONITOR):
            api.create(definitions, definition(kind))
        api.kubectl("wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=30s")
        api.patch(OBJECT_STORE, namespace, "main", {"metadata": {"annotations": {"look": "again"}}})
        found = until(lambda: api.get(CERTIFICATE, namespace, "main-tls"), "a Certificate", operator)
        assert found["spec"]["issuerRef"] == {"name": "ca", "kind": "Issuer", "group": "cert-manager.io"}
        monitor = until(lambda: api.get(SERVICE_MONITOR, namespace, "main"), "a ServiceMonitor", operator)
        assert monitor["spec"]["endpoints"][0]["scheme"] == "https"
        tls = until(lambda: tls_volume(built(api, operator, namespace)), "a volume for it", operator)
        assert tls["secretName"] == "main-tls"
        until(lambda: condition(api, namespace, "Degraded") == ("True", "Unsafe"), "the Secret is not there", operator)

        change = {"gateway": {"certificate": None, "sslCertificateRef": "own"}, "serviceMonitor": {"enabled": False}}
        api.patch(OBJECT_STORE, namespace, "main", {"spec": change})
        until(lambda: api.get(CERTIFICATE, namespace, "main-tls") is None, "no Certificate", operator)
        until(lambda: api.get(SERVICE_MONITOR, namespace, "main") is None, "no ServiceMonitor", operator)
        until(lambda: tls_volume(built(api, operator, namespace))["secretName"] == "own", "another volume", operator)
        until(lambda: api.get(SERVICE, namespace, "main")["spec"]["ports"][0]["port"] == 443, "port 443", operator)
    finally:
        for kind in (CERTIFICATE, SERVICE_MONITOR):
            api.delete(definitions, "", f"{kind.plural}.{kind.group}")


def tls_volume(stateful_set: Any) -> Any:
    volumes = stateful_set["spec"]["template"]["spec"]["volumes"]
    return next((one["secret"] for one in volumes if one["name"] == "tls"), None)


@pytest.mark.parametrize(
    ("before", "joined", "volumes", "expected"),
    [
        (None, [], {}, [1, 2, 3, 4]),
        (None, [], {1: False, 2: False}, [1, 2]),
        (None, [3], {1: False, 2: False}, [1, 2, 3]),
        (None, [], {1: True, 2: True, 3: False}, [1, 2]),
        (None, [3], {1: True, 2: True, 3: False}, [1, 2, 3]),
        ([1, 2], [], {1: True, 2: True, 3: False, 4: False}, [1, 2]),
        ([1, 2], [3], {1: True, 2: True, 3: False, 4: False}, [1, 2, 3]),
        ([2, 1], [1, 2, 3, 4], {}, [1, 2, 3, 4]),
    ],
    ids=[
        *("new", "made again", "made again while it runs", "lost while it grows", "lost while it runs and grows"),
        *("grows", "grew by one", "grew"),
    ],
)
def test_the_drives_that_a_start_is_given(
    before: list[int] | None, joined: list[int], volumes: dict[int, bool], expected: list[int]
) -> None:
    """Never more empty ones than a server takes at its start."""
    body = {"metadata": {"namespace": "a", "name": "main", "uid": "u"}, "spec": store("a")["spec"]}
    one = Store.of(body)

    def paths(numbers: list[int]) -> list[str]:
        return [one.drive_path(f"disk-{number}") for number in numbers]

    text = f"drives = {json.dumps(paths(before))}" if before is not None else "no TOML"
    present = {"data": {"objstore.toml": text}}
    found = settings.listed(one, present, paths(joined), {f"disk-{number}": known for number, known in volumes.items()})
    assert found == [f"disk-{number}" for number in expected]


def test_a_parity_that_needs_new_drives_waits_for_them() -> None:
    """A server refuses to start with more than half of the drives that it is given."""
    spec = store("a", "main", drives(6), erasureCoded={"codingChunks": 3})["spec"]
    one = Store.of({"metadata": {"namespace": "a", "name": "main", "uid": "u"}, "spec": spec})
    few, all_of_them = one.spec.drives[:4], one.spec.drives
    assert tomllib.loads(settings.text(one, few))["parity"] == 2
    assert tomllib.loads(settings.text(one, all_of_them))["parity"] == 3
    assert settings.digest(one, few) != settings.digest(one, all_of_them), "and then the server is started again"
    assert settings.digest(one, few) == settings.digest(one, one.spec.drives[:5]), "and for nothing else"
