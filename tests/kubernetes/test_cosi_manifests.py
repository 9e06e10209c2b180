"""What installs the COSI driver: a real API server takes it, it has few rights, and it agrees with the driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from objstore.kubernetes.cosi import classes
from objstore.kubernetes.cosi.serving import check_endpoint
from objstore.kubernetes.kinds import POD
from tests.kubernetes.api import Api
from tests.kubernetes.installing import CONFIG

COSI = CONFIG / "cosi"
CRDS = Path(__file__).parent / "cosi_crds"
NAMESPACE = "objstore-cosi"


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def deployment() -> dict[str, Any]:
    (found,) = documents(COSI / "deployment.yaml")
    return found


def test_the_manifests_are_accepted_twice_and_the_pod_is_let_in(api: Api) -> None:
    for _ in range(2):
        api.kubectl("apply", "-k", str(COSI))
    template = deployment()["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "driver"}}
    api.ask("POST", f"{POD.path(NAMESPACE)}?dryRun=All", {**pod, "spec": template["spec"]})


def test_the_sidecar_may_do_what_it_does_and_no_more(api: Api) -> None:
    api.kubectl("apply", "-k", str(COSI))
    account = f"system:serviceaccount:{NAMESPACE}:{NAMESPACE}"

    def may(verb: str, what: str) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": account,
                "resourceAttributes": {
                    "verb": verb,
                    "group": "objectstorage.k8s.io" if what.startswith("bucket") else "",
                    "resource": what.partition("/")[0],
                    "subresource": what.partition("/")[2],
                },
            },
        }
        answer = api.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    for verb, what in (
        ("watch", "buckets"),
        ("update", "buckets/status"),
        ("update", "bucketaccesses"),
        ("update", "bucketclaims/status"),
        ("get", "bucketclasses"),
        ("create", "secrets"),
        ("create", "events"),
    ):
        assert may(verb, what), (verb, what)
    for verb, what in (
        ("create", "buckets"),
        ("delete", "buckets"),
        ("delete", "bucketclaims"),
        ("update", "bucketclasses"),
        ("get", "configmaps"),
        ("create", "pods"),
        ("deletecollection", "secrets"),
    ):
        assert not may(verb, what), (verb, what)


def test_only_the_sidecar_has_a_token_and_only_the_driver_the_stores_credentials() -> None:
    spec = deployment()["spec"]["template"]["spec"]
    mounts = {one["name"]: {mount["name"] for mount in one["volumeMounts"]} for one in spec["containers"]}
    assert not spec["automountServiceAccountToken"]
    assert mounts == {"driver": {"socket", "credentials", "tmp"}, "sidecar": {"socket", "token"}}
    sockets = {
        variable["value"]
        for one in spec["containers"]
        for variable in one["env"]
        if variable["name"] == "COSI_ENDPOINT"
    }
    assert len(sockets) == 1 and check_endpoint(sockets.pop())


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
def test_the_samples_are_what_cosi_takes(api: Api, version: str) -> None:
    definitions = CRDS / f"{version}.yaml"
    names = [f"customresourcedefinition/{one['metadata']['name']}" for one in documents(definitions)]
    api.kubectl("apply", "--server-side", "-f", str(definitions))
    try:
        api.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
        applied = api.kubectl("apply", "-f", str(COSI / "samples" / f"{version}.yaml"))
        assert applied.count("created") == 4, applied
    finally:
        api.kubectl("delete", *names)


def test_the_samples_have_parameters_that_the_driver_knows() -> None:
    name = documents(COSI / "store.yaml")[0]["data"]["OBJSTORE_COSI_DRIVER"]
    seen = 0
    for path in sorted((COSI / "samples").glob("*.yaml")):
        for one in documents(path):
            spec = one.get("spec", one)
            if one["kind"].endswith("Class"):
                assert spec["driverName"] == name
            if one["kind"] == "BucketClass":
                assert classes.parse(spec["parameters"]).configuration.versioning == "Enabled"
                seen += 1
    assert seen == 2
