"""The spec of an ObjectStoreUser, as a type from which its schema is made, as that of a store is."""

# ruff: noqa: RUF012 - msgspec makes a new one of an empty default for each object

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from objstore.kubernetes.stores.core import DnsName, KeyRef, Part, Quantity, Rule
from objstore.kubernetes.stores.spec import SpecError, read

Access = Literal["*", "read", "write", "read, write"]
MOST_KEYS = 2
"""An IAM user has two access keys at most."""


class Quotas(Part, frozen=True, kw_only=True):
    """How much the user's account may hold. What is left out has no limit; nor have sizes and objects below 0."""

    max_buckets: (
        Annotated[int, Meta(le=1_000_000, description="Buckets, as Ceph counts: 0 is no limit, below 0 none at all.")]
        | None
    ) = None
    max_size: Quantity | None = None
    max_objects: Annotated[int, Meta(le=10**15, description="Objects, in all buckets together.")] | None = None


class Capabilities(Part, frozen=True, kw_only=True):
    """What the user may do in its account, as policies. Each is `*`, `read`, `write`, or `read, write`."""

    buckets: Access | None = None
    objects: Access | None = None
    users: Annotated[Access, Meta(description="IAM's users, groups, roles, policies and keys.")] | None = None


class Policy(Part, frozen=True, kw_only=True):
    """A policy of the user's own, in AWS's language."""

    name: Annotated[str, Meta(pattern=r"^[\w+=,.@-]+$", max_length=100)]
    document: Annotated[str, Meta(max_length=16_384, description="The policy, in JSON.")]


class KeyPair(Part, frozen=True, kw_only=True):
    """An access key that is given, not generated."""

    access_key_ref: KeyRef
    secret_key_ref: KeyRef


class ObjectStoreUserSpec(Part, frozen=True, kw_only=True):
    """A user of a store: an account of its own, in which it owns the buckets that it makes."""

    store: Annotated[DnsName, Meta(description="The ObjectStore.")]
    store_namespace: (
        Annotated[DnsName, Meta(description="The ObjectStore's namespace; the user's own where it is left out.")] | None
    ) = None
    display_name: Annotated[str, Meta(max_length=128, description="For people; it is in no API of the store.")] = ""
    quotas: Quotas = Quotas()
    capabilities: (
        Annotated[
            Capabilities,
            Meta(description="Where neither capabilities nor policies are given, the user may do everything of S3."),
        ]
        | None
    ) = None
    policies: Annotated[
        list[Policy],
        Meta(
            max_length=8,
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    keys: Annotated[
        list[KeyPair],
        Meta(max_length=MOST_KEYS, description="Keys from Secrets. Where there are none, one is generated."),
    ] = []
    key_rotation: Annotated[
        str,
        Meta(
            max_length=64,
            description="Any text, such as a date. When it changes, a new key is generated and put into the Secret.",
        ),
    ] = ""
    key_overlap_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=30 * 86_400,
            description="How long the key before it stays good after a rotation: a day by default.",
        ),
    ] = 86_400
    secret_name: (
        Annotated[
            DnsName,
            Meta(
                description="The Secret with AccessKey, SecretKey and Endpoint: objstore-object-user-STORE-USER by"
                " default. Applications that come from Rook know it as rook-ceph-object-user-STORE-USER."
            ),
        ]
        | None
    ) = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("self.store == oldSelf.store", "a user stays with its store: make another one", ".store"),
        Rule(
            "has(self.storeNamespace) == has(oldSelf.storeNamespace)"
            " && (!has(self.storeNamespace) || self.storeNamespace == oldSelf.storeNamespace)",
            "a user stays with its store: make another one",
            ".storeNamespace",
        ),
        Rule(
            "has(self.secretName) == has(oldSelf.secretName)"
            " && (!has(self.secretName) || self.secretName == oldSelf.secretName)",
            "the Secret's name cannot change: applications read it",
            ".secretName",
        ),
        Rule(
            "!(has(self.keys) && size(self.keys) > 0 && has(self.keyRotation))",
            "keys that are given are rotated by giving others: leave out keyRotation",
            ".keyRotation",
        ),
    )


def parse(body: Mapping[str, Any]) -> ObjectStoreUserSpec:
    """The spec of an ObjectStoreUser. Raises SpecError, which names the field."""
    spec: ObjectStoreUserSpec = read(body, ObjectStoreUserSpec)
    if spec.keys and spec.key_rotation:
        raise SpecError("spec.keyRotation: keys that are given are rotated by giving others")
    return spec
