"""What is accepted is applied: every operation that sets something of a bucket has a test that shows its effect.

Whoever registers another adds it to `SHOWN`, with the test that shows what it does beyond coming back as it was put.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import objstore.s3.operations  # noqa: F401 - fills the registry
from objstore.aws.operation import REGISTRY
from objstore.aws.service import operation_model, service
from tests.front.wire import send
from tests.harness import Running

ROOT = Path(__file__).parents[2]

SHOWN = {
    "PutBucketAcl": "front/test_bucket_policies.py::test_an_acl_makes_a_bucket_public_too_unless_it_is_ignored",
    "PutBucketCors": "front/test_cors.py::test_a_preflight_is_answered_by_the_first_rule_that_allows_it",
    "PutBucketEncryption": "front/test_encryption.py::test_the_default_of_a_bucket",
    "PutBucketInventoryConfiguration": "front/test_inventory.py::test_a_list_is_made_and_read_by_data_tools",
    "PutBucketLifecycleConfiguration": "lifecycle/test_acting.py::test_objects_there_before_and_after_the_rules_expire",
    "PutBucketLogging": "front/test_access_logging.py::test_every_kind_of_request_has_its_line",
    "PutBucketNotificationConfiguration": "events/test_events.py::test_every_kind_of_event",
    "PutBucketOwnershipControls": "front/test_ownership.py::test_preferred_takes_what_is_given_with_full_control",
    "PutBucketPolicy": "front/test_bucket_policies.py::test_a_policy_lets_in_whom_it_names_for_what_it_says",
    "PutBucketRequestPayment": "front/test_requester_pays.py::test_others_must_say_that_they_pay",
    "PutBucketTagging": "front/test_tagging.py::test_a_bucket_has_tags",
    "PutBucketVersioning": "front/test_versioning.py::test_every_version_can_be_read",
    "PutBucketWebsite": "front/test_website.py::test_pages_and_indexes_are_shown",
    "PutObjectLockConfiguration": "front/test_object_lock.py::test_new_versions_get_the_default",
    "PutPublicAccessBlock": "front/test_public_access_block.py::test_public_acls_that_are_there_are_ignored",
}

NO_SETTINGS = {"CreateBucket", "DeleteObjects"}


def settings() -> list[str]:
    """The operations of the model that write a subject of a bucket; of those with two names, the one in use."""
    found = []
    for name in service().operation_names:
        model = operation_model(name)
        address = model.http["requestUri"]
        if model.http["method"] in ("PUT", "POST") and address.startswith("/{Bucket}") and "{Key" not in address:
            found.append(name)
    return [name for name in found if name not in NO_SETTINGS and not operation_model(name).deprecated]


def test_every_setting_that_is_accepted_has_its_effect_shown() -> None:
    registered = {name for name in settings() if REGISTRY.get(name) is not None}
    assert registered == set(SHOWN), "a setting is in SHOWN if it is registered, with the test that shows its effect"


@pytest.mark.parametrize("operation", sorted(SHOWN))
def test_the_tests_that_show_it_are_there(operation: str) -> None:
    path, _, name = SHOWN[operation].partition("::")
    assert re.search(rf"(?m)^(?:async )?def {name}\(", (ROOT / "tests" / path).read_text()), SHOWN[operation]


def test_every_other_setting_is_refused_and_not_kept(server: Running, bucket: str) -> None:
    others = [name for name in settings() if REGISTRY.get(name) is None]
    for name in others:
        model = operation_model(name)
        query = model.http["requestUri"].partition("?")[2]
        shape = model.input_shape
        assert shape is not None
        root = shape.serialization["payload"]
        path = f"/{bucket}?{query}=" + ("&id=one" if "Id" in shape.members else "")
        for body in (b"", f"<{root}><Status>Enabled</Status></{root}>".encode()):
            assert send(server, model.http["method"], path, body).error == ("NotImplemented", 501), name
        told = send(server, "GET", path)
        assert told.status in (404, 405, 501), f"{name}: nothing is there to be told"


def test_the_rest_of_the_model_is_refused(server: Running, s3: Any, bucket: str) -> None:
    """Torrents, Select, restores: whatever the model has and nothing here does."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for name in service().operation_names:
        model = operation_model(name)
        address, _, query = model.http["requestUri"].partition("?")
        elsewhere = name in ("ListDirectoryBuckets", "WriteGetObjectResponse")
        if REGISTRY.get(name) is not None or not query or elsewhere or model.deprecated:
            continue
        path = address.replace("{Bucket}", bucket).replace("{Key+}", "k")
        pairs = "&".join(part if "=" in part else f"{part}=" for part in query.split("&"))
        answer = send(
            server, model.http["method"], f"{path}?{pairs}", b"<X/>" if model.http["method"] != "GET" else b""
        )
        assert answer.error == ("NotImplemented", 501), name
