"""The parts of Kubernetes' own API that specs of ours contain: where pods run, what they may use, claims of volumes.

They are typed so that the schemas of our kinds can say all of it; the names and meanings are Kubernetes'.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec
from msgspec import Meta

from objstore.kubernetes import quantities


class Rule(NamedTuple):
    """A rule in CEL that the API server holds objects to, and what it says to who breaks it; `field` is the path
    below the object that the rule is about, such as `.port`."""

    rule: str
    message: str
    field: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A part of a spec. Its docstring, its fields' descriptions and its `RULES` make its schema."""

    RULES: ClassVar[tuple[Rule, ...]] = ()


Quantity = Annotated[
    int | str,
    Meta(extra_json_schema={"x-kubernetes-int-or-string": True, "pattern": quantities.PATTERN, "maxLength": 32}),
]
DnsName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
"""A DNS subdomain (RFC 1123), as most objects' names are."""
Label = Annotated[str, Meta(max_length=63)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Labels = dict[str, str]


class SecretRef(Part, frozen=True, kw_only=True):
    """A Secret in the same namespace."""

    name: DnsName


class KeyRef(Part, frozen=True, kw_only=True):
    """A key of a Secret in the same namespace."""

    name: DnsName
    key: Annotated[str, Meta(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]


class Requirement(Part, frozen=True, kw_only=True):
    """A label requirement."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []


class NodeRequirement(Part, frozen=True, kw_only=True):
    """A requirement on a node's labels or fields."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: list[str] = []


class LabelSelector(Part, frozen=True, kw_only=True):
    """Objects by their labels."""

    match_labels: Labels = {}
    match_expressions: list[Requirement] = []


class NodeSelectorTerm(Part, frozen=True, kw_only=True):
    """Requirements that must hold together."""

    match_expressions: list[NodeRequirement] = []
    match_fields: list[NodeRequirement] = []


class NodeSelector(Part, frozen=True, kw_only=True):
    """Nodes that meet one of the terms."""

    node_selector_terms: list[NodeSelectorTerm]


class PreferredNode(Part, frozen=True, kw_only=True):
    """Nodes that are better, by so much."""

    weight: Annotated[int, Meta(ge=1, le=100)]
    preference: NodeSelectorTerm


class NodeAffinity(Part, frozen=True, kw_only=True):
    """Which nodes."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: list[PreferredNode] = []


class PodAffinityTerm(Part, frozen=True, kw_only=True):
    """Pods to be near to, or away from."""

    topology_key: str
    label_selector: LabelSelector | None = None
    namespaces: list[str] = []
    namespace_selector: LabelSelector | None = None
    match_label_keys: list[str] = []
    mismatch_label_keys: list[str] = []


class PreferredPods(Part, frozen=True, kw_only=True):
    """Pods to be near to, or away from, by so much."""

    weight: Annotated[int, Meta(ge=1, le=100)]
    pod_affinity_term: PodAffinityTerm


class PodAffinity(Part, frozen=True, kw_only=True):
    """Nearness to other pods."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = []
    preferred_during_scheduling_ignored_during_execution: list[PreferredPods] = []


class Toleration(Part, frozen=True, kw_only=True):
    """A taint that is tolerated."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class Placement(Part, frozen=True, kw_only=True):
    """Where the pods may run."""

    node_selector: Labels = {}
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None
    tolerations: list[Toleration] = []


class Resources(Part, frozen=True, kw_only=True):
    """What a container is given, and what it may use at most."""

    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class StorageRequests(Part, frozen=True, kw_only=True):
    """How large a volume is."""

    storage: Quantity


class StorageResources(Part, frozen=True, kw_only=True):
    """How large a volume is."""

    requests: StorageRequests


class ClaimSpec(Part, frozen=True, kw_only=True):
    """What a PersistentVolumeClaim asks for."""

    resources: StorageResources
    storage_class_name: (
        Annotated[
            DnsName,
            Meta(description="Which StorageClass makes the volume; the cluster's default where it is left out."),
        ]
        | None
    ) = None
    access_modes: Annotated[
        list[Literal["ReadWriteOnce", "ReadWriteOncePod"]],
        Meta(
            min_length=1, max_length=1, description="A drive belongs to one server. ReadWriteOnce where it is left out."
        ),
    ] = []
    volume_mode: Annotated[Literal["Filesystem"], Meta(description="A drive is a folder.")] = "Filesystem"
    selector: LabelSelector | None = None
    volume_attributes_class_name: DnsName | None = None


class Metadata(Part, frozen=True, kw_only=True):
    """Labels and annotations that objects get beside the operator's own."""

    labels: Labels = {}
    annotations: Labels = {}


class IpBlock(Part, frozen=True, kw_only=True):
    """A range of addresses."""

    cidr: Annotated[str, Meta(max_length=64)]
    except_: list[str] = msgspec.field(default_factory=list, name="except")


class Peer(Part, frozen=True, kw_only=True):
    """Who may connect: pods, or addresses."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None


def plain(part: Part) -> Any:
    """The part as Kubernetes reads it, without what was not given."""
    return msgspec.to_builtins(part)
