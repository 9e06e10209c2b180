"""The table of actions speaks of AWS's operations and members; every operation has an action and a resource."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import objstore.iam.api.operations
import objstore.iam.sts.operations
import objstore.s3.operations  # noqa: F401 - fills the registry
from objstore.aws.operation import REGISTRY, Call, Operation, Registry, operation, operation_model
from objstore.iam import actions, administration
from objstore.iam.actions import Need

MEMBERS = ("ACL", "GrantRead", "Tagging", "ObjectLockMode", "ObjectLockLegalHoldStatus", "BypassGovernanceRetention")
TABLE = {
    *(need.action for rows in actions.BESIDE.values() for _, need in rows),
    *(action for _, wanted in actions.SOURCES.values() for action in wanted),
    *actions.BY_BUCKET_ACL,
    *actions.BY_OBJECT_ACL,
    *actions.ON_EXISTING,
}


async def nothing(call: Call, context: Any) -> None: ...


def needed(name: str, headers: dict[str, str] | None = None, **members: Any) -> list[Need]:
    made = Operation(name, operation_model(name), "s3:PutObject", nothing, frozenset(), "object")
    request = SimpleNamespace(headers=headers or {})
    return list(actions.needed(Call(made, request, "", SimpleNamespace(), members, SimpleNamespace())))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*actions.BESIDE, *actions.SOURCES])
def test_the_table_speaks_of_operations_of_the_model(name: str) -> None:
    operation_model(name)


@pytest.mark.parametrize("name", actions.SOURCES)
def test_a_source_is_named_by_a_member(name: str) -> None:
    shape = operation_model(name).input_shape
    assert shape is not None and actions.SOURCES[name][0] in shape.members


def test_what_the_table_names_is_an_action_of_s3() -> None:
    assert {one for one in TABLE if not one.startswith("s3:")} == set()


def test_everything_that_an_object_is_made_with_is_looked_at() -> None:
    """A member of PutObject that needs an action of its own is in the table."""
    shape = operation_model("PutObject").input_shape
    assert shape is not None
    for member in MEMBERS[:-1]:
        assert member in shape.members
        assert [one.on_new for one in needed("PutObject", **{member: "x"})] == [False, True]
    assert len(needed("PutObject", {"x-amz-grant-write": "id=x"})) == 2
    assert needed("PutObject") == [Need("s3:PutObject")]


@pytest.mark.parametrize("one", list(REGISTRY), ids=lambda one: f"{one.service}.{one.name}")
def test_an_operation_outside_s3_tells_what_it_is_on(one: Operation) -> None:
    assert one.service == "s3" or one.concerns is not None or one.name in administration.DECIDED_ELSEWHERE


@pytest.mark.parametrize("action", ["", "GetObject", "iam:GetObject", "s3:", "s3:Get*", "*"])
def test_no_operation_is_registered_without_an_action_of_its_service(action: str) -> None:
    with pytest.raises(ValueError, match="no action"):
        operation("GetObject", action=action, registry=Registry())(nothing)
