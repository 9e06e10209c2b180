"""What an ObjectStore's status says, as types from which its schema is made."""

# ruff: noqa: RUF012 - msgspec makes a new one of an empty default for each object

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from objstore.kubernetes.stores.core import Part


class Condition(Part, frozen=True, kw_only=True):
    """One aspect of the object's state."""

    type: Annotated[str, Meta(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(max_length=1024, min_length=1)]
    message: Annotated[str, Meta(max_length=32_768)]
    last_transition_time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    observed_generation: Annotated[int, Meta(ge=0)] | None = None


Conditions = Annotated[
    list[Condition],
    Meta(extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]


class Info(Part, frozen=True, kw_only=True):
    """Where clients find the store."""

    endpoint: Annotated[str, Meta(description="Without TLS.")] | None = None
    secure_endpoint: Annotated[str, Meta(description="With TLS.")] | None = None


class Drives(Part, frozen=True, kw_only=True):
    """Drives, as the running store tells; numbers."""

    desired: int
    joined: Annotated[int, Meta(description="In the store's pool: it puts objects on them.")] = 0
    online: int = 0
    problems: Annotated[list[str], Meta(description="What is wrong with those that are not online.")] = []


class Healing(Part, frozen=True, kw_only=True):
    """What the store is still to make again before everything is as safe as promised."""

    shards: int
    bytes: int


class ObjectStoreStatus(Part, frozen=True, kw_only=True):
    """How the store is."""

    phase: Literal["Pending", "Progressing", "Ready", "Degraded", "Refused", "Deleting"]
    observed_generation: int
    conditions: Conditions = []
    info: Info | None = None
    drives: Drives | None = None
    healing: Healing | None = None
    version: Annotated[str, Meta(description="The server's release.")] | None = None
    storage_class: Annotated[str, Meta(description="The StorageClass by which buckets are claimed.")] | None = None


class UserInfo(Part, frozen=True, kw_only=True):
    """What the user got."""

    secret_name: str
    endpoint: str


class ObjectStoreUserStatus(Part, frozen=True, kw_only=True):
    """How the user is."""

    phase: Literal["Pending", "Ready", "Refused", "Deleting"]
    observed_generation: int
    conditions: Conditions = []
    info: UserInfo | None = None
    account: Annotated[str, Meta(description="The account's id in the store.")] | None = None
    access_keys: Annotated[list[str], Meta(description="The ids of the keys that are good now.")] = []
    key_rotation: Annotated[str, Meta(description="The rotation that was done last.")] | None = None
    rotated_at: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None
