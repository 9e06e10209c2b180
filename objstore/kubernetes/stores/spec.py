"""The spec of an ObjectStore, as a type: what may be said, what is refused, and what is meant where nothing is said.

The schemas in config/crd are made from these types (`python -m tests.kubernetes.crds --write`), so that admission and
operator cannot disagree: docstrings and descriptions are what `kubectl explain` tells, `RULES` are CEL. The operator's
defaults are not in the schema: an object keeps what its author wrote, and a release may choose better ones.
"""

# ruff: noqa: RUF012 - msgspec makes a new one of an empty default for each object

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from objstore.counting import number_of
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.core import (
    ClaimSpec,
    DnsName,
    KeyRef,
    Label,
    Labels,
    Metadata,
    Part,
    Peer,
    Placement,
    Port,
    Resources,
    Rule,
    SecretRef,
)

MOST_DRIVES = 64
WIDEST = 16
"""The server lays an object out over so many drives at most."""
MOST_PARITY = 8
_OWN_SETTINGS = ("drives", "address", "parity", "durability", "region", "domains", "workers", "tls_cert", "tls_key")
_SECRET_SETTINGS = ("root_user", "root_password", "master_key", "previous_master_key", "users")
REFUSED_SETTINGS = (*_OWN_SETTINGS, *_SECRET_SETTINGS)
"""Settings of the server that come from other fields, or that are secrets and do not belong into a ConfigMap."""
_REFUSED = "|".join(REFUSED_SETTINGS)


class SpecError(ValueError):
    """An object's spec cannot be used; the message names the field."""


class DriveTemplate(Part, frozen=True, kw_only=True):
    """Drives of one kind: each is a volume of its own, claimed from this template."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
            max_length=20,
            description="What these drives are called: drive 2 of `disk` is /drives/disk-2.",
        ),
    ]
    count: Annotated[int, Meta(ge=1, le=MOST_DRIVES, description="How many there are. It may grow, and never shrinks.")]
    spec: ClaimSpec
    metadata: Metadata = Metadata()

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.count >= oldSelf.count",
            "drives hold data: a store never gets fewer of them",
            ".count",
        ),
        Rule(
            "has(self.spec.storageClassName) == has(oldSelf.spec.storageClassName)"
            " && (!has(self.spec.storageClassName) || self.spec.storageClassName == oldSelf.spec.storageClassName)",
            "the storage class of existing drives cannot change: add a template of another name for new drives",
            ".spec.storageClassName",
        ),
        Rule(
            "quantity(string(self.spec.resources.requests.storage))"
            ".compareTo(quantity(string(oldSelf.spec.resources.requests.storage))) >= 0",
            "volumes can be made larger, never smaller",
            ".spec.resources.requests.storage",
        ),
    )


class ErasureCoded(Part, frozen=True, kw_only=True):
    """How new objects are laid out. What is stored already keeps its layout until `objstore admin restripe`."""

    coding_chunks: Annotated[
        int, Meta(ge=0, le=MOST_PARITY, description="How many drives may fail: at most half of them, and at most 8.")
    ]
    data_chunks: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=WIDEST,
                description="An object is laid out over all drives, at most 16, so this follows from their number and"
                " the coding chunks; where it is given it must say the same.",
            ),
        ]
        | None
    ) = None


class IssuerRef(Part, frozen=True, kw_only=True):
    """An issuer of cert-manager."""

    name: DnsName
    kind: Annotated[str, Meta(max_length=63)] = "Issuer"
    group: DnsName = "cert-manager.io"


class CertificateRequest(Part, frozen=True, kw_only=True):
    """A certificate that cert-manager issues and renews."""

    issuer_ref: IssuerRef
    duration: Annotated[str, Meta(max_length=32, description="How long it is valid, such as 2160h.")] | None = None
    renew_before: Annotated[str, Meta(max_length=32)] | None = None


class ClientService(Part, frozen=True, kw_only=True):
    """The Service that clients talk to."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    labels: Labels = {}
    annotations: Labels = {}
    load_balancer_class: Annotated[str, Meta(max_length=253)] | None = None
    external_traffic_policy: Literal["Cluster", "Local"] | None = None


class Gateway(Part, frozen=True, kw_only=True):
    """How clients reach the store."""

    port: Annotated[Port, Meta(description="The Service's port without TLS, 80 by default.")] | None = None
    secure_port: Annotated[Port, Meta(description="The Service's port with TLS, 443 by default.")] | None = None
    ssl_certificate_ref: (
        Annotated[
            DnsName,
            Meta(
                description="A Secret of type kubernetes.io/tls: tls.crt, tls.key, and ca.crt of a private authority."
            ),
        ]
        | None
    ) = None
    certificate: CertificateRequest | None = None
    ca_bundle_ref: (
        Annotated[
            DnsName,
            Meta(
                description="A Secret whose `cabundle` has the authorities (PEM) that the store's certificate is"
                " checked with, where they are not in ca.crt of its own Secret and not among the usual ones."
            ),
        ]
        | None
    ) = None
    instances: Annotated[int, Meta(ge=1, description="How many servers there are: one for now.")] = 1
    workers: Annotated[int, Meta(ge=1, le=256, description="Processes that serve, 2 by default.")] | None = None
    service: ClientService = ClientService()

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.instances) || self.instances == 1",
            "the server runs on one node for now: a store has one instance, with all of its drives",
            ".instances",
        ),
        Rule(
            "!(has(self.sslCertificateRef) && has(self.certificate))",
            "TLS comes from a Secret (sslCertificateRef) or from cert-manager (certificate), not from both",
            ".certificate",
        ),
        Rule(
            "!has(self.securePort) || has(self.sslCertificateRef) || has(self.certificate)",
            "TLS needs a certificate: name a Secret in sslCertificateRef, or an issuer in certificate",
            ".securePort",
        ),
        Rule(
            "!has(self.port) || !(has(self.sslCertificateRef) || has(self.certificate))",
            "a store with a certificate speaks TLS only: leave out port, or the certificate",
            ".port",
        ),
    )

    @property
    def tls(self) -> bool:
        return self.ssl_certificate_ref is not None or self.certificate is not None


class AdvertiseEndpoint(Part, frozen=True, kw_only=True):
    """The address that users and claims are told, and that the operator itself uses."""

    dns_name: DnsName
    port: Port
    use_tls: bool


class Hosting(Part, frozen=True, kw_only=True):
    """The names that the store is known by."""

    advertise_endpoint: AdvertiseEndpoint | None = None
    dns_names: Annotated[
        list[DnsName],
        Meta(max_length=32, description="Domains for virtual-host addressing: BUCKET.NAME, for which DNS must answer."),
    ] = []


class Probe(Part, frozen=True, kw_only=True):
    """How often a probe looks, and how patient it is."""

    initial_delay_seconds: Annotated[int, Meta(ge=0)] | None = None
    period_seconds: Annotated[int, Meta(ge=1)] | None = None
    timeout_seconds: Annotated[int, Meta(ge=1)] | None = None
    failure_threshold: Annotated[int, Meta(ge=1)] | None = None


class ProbeSetting(Part, frozen=True, kw_only=True):
    """A probe of the pods."""

    disabled: bool = False
    probe: Probe = Probe()


class HealthCheck(Part, frozen=True, kw_only=True):
    """How the store is looked after."""

    interval_seconds: Annotated[
        int, Meta(ge=1, le=86_400, description="How often the operator asks the store how it is, 60 by default.")
    ] = 60
    startup_probe: ProbeSetting = ProbeSetting()
    readiness_probe: ProbeSetting = ProbeSetting()
    liveness_probe: ProbeSetting = ProbeSetting()


class NetworkPolicySetting(Part, frozen=True, kw_only=True):
    """The NetworkPolicy of the pods: their one port, and who may connect to it."""

    enabled: bool = True
    ingress_from: Annotated[
        list[Peer],
        Meta(max_length=64, description="Who may connect, beside the operator; everybody where it is left out."),
    ] = msgspec.field(default_factory=list, name="from")


class ServiceMonitorSetting(Part, frozen=True, kw_only=True):
    """Prometheus' ServiceMonitor, made where that kind exists."""

    enabled: bool = True
    labels: Labels = {}
    interval: Annotated[str, Meta(pattern=r"^[0-9]+(ms|s|m|h)$", max_length=16)] = "30s"


class BucketStorageClass(Part, frozen=True, kw_only=True):
    """The StorageClass by which buckets of this store are claimed."""

    name: Annotated[DnsName, Meta(description="NAMESPACE-STORE by default.")] | None = None
    reclaim_policy: Annotated[
        Literal["Delete", "Retain"], Meta(description="What becomes of buckets whose claim goes; Delete by default.")
    ] = "Delete"


_DRIVES = "self.volumeClaimTemplates.map(t, t.count).sum()"


class ObjectStoreSpec(Part, frozen=True, kw_only=True):
    """A store: its drives, and how it is served."""

    volume_claim_templates: Annotated[
        list[DriveTemplate],
        Meta(
            min_length=1,
            max_length=16,
            description="The drives. More can be added at any time, of other sizes too: they are filled by themselves.",
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    mount_path: Annotated[
        str,
        Meta(
            pattern=r"^(/[-._a-zA-Z0-9]+)+$",
            max_length=200,
            description="The folder in which the pods have their drives, /drives by default.",
        ),
    ] = "/drives"
    image: (
        Annotated[str, Meta(max_length=512, description="The server's image; the operator's own by default.")] | None
    ) = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: Annotated[list[SecretRef], Meta(max_length=16)] = []
    erasure_coded: ErasureCoded | None = None
    durability: Annotated[
        Literal["strict", "relaxed"],
        Meta(description="strict, the default: an answer is given when the bytes are on the medium."),
    ] = "strict"
    region: Annotated[str, Meta(pattern=r"^[a-z0-9-]+$", max_length=63)] = "us-east-1"
    settings: Annotated[
        str,
        Meta(
            max_length=65_536,
            description="Further settings of the server in TOML, as in config/objstore.toml; no secrets.",
        ),
    ] = ""
    credentials: (
        Annotated[
            SecretRef,
            Meta(description="A Secret with root's `username` and `password`. Where it is left out, one is generated."),
        ]
        | None
    ) = None
    master_key: (
        Annotated[
            KeyRef,
            Meta(
                description="The key under which the store's secrets are sealed: base64 of 32 bytes, never to be lost."
                " Without one the store keeps its own, and whoever holds the drives holds the key."
            ),
        ]
        | None
    ) = None
    gateway: Gateway = Gateway()
    hosting: Hosting = Hosting()
    cluster_domain: Annotated[DnsName, Meta(description="The cluster's DNS domain, cluster.local by default.")] = (
        "cluster.local"
    )
    allow_users_in_namespaces: Annotated[
        list[Label],
        Meta(
            max_length=256,
            description='Namespaces beside the store\'s own in which ObjectStoreUsers may be; "*" stands for all.',
        ),
    ] = []
    preserve_data_on_delete: Annotated[
        bool, Meta(description="Whether volumes stay when the store is deleted: they do unless this is false.")
    ] = True
    annotations: Annotated[Labels, Meta(description="Annotations of the pods.")] = {}
    labels: Annotated[Labels, Meta(description="Labels of the pods.")] = {}
    placement: Placement = Placement()
    resources: Resources = Resources()
    priority_class_name: DnsName | None = None
    runtime_class_name: Annotated[DnsName, Meta(description="Such as gVisor's or Kata's.")] | None = None
    health_check: HealthCheck = HealthCheck()
    network_policy: NetworkPolicySetting = NetworkPolicySetting()
    service_monitor: ServiceMonitorSetting = ServiceMonitorSetting()
    bucket_storage_class: BucketStorageClass = BucketStorageClass()
    max_unavailable: Annotated[
        int,
        Meta(
            ge=0,
            le=1,
            description="Of the PodDisruptionBudget: 1, the default, lets nodes be drained; 0 makes that wait.",
        ),
    ] = 1

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "oldSelf.volumeClaimTemplates.all(o, self.volumeClaimTemplates.exists(n, n.name == o.name))",
            "a template whose drives exist cannot be taken away: they hold data",
            ".volumeClaimTemplates",
        ),
        Rule(f"{_DRIVES} <= {MOST_DRIVES}", f"a store has at most {MOST_DRIVES} drives", ".volumeClaimTemplates"),
        Rule(
            f"!has(self.erasureCoded) || self.erasureCoded.codingChunks * 2 <= {_DRIVES}",
            "at most half of the drives may fail: fewer coding chunks, or more drives",
            ".erasureCoded.codingChunks",
        ),
        Rule(
            "!has(self.erasureCoded) || !has(self.erasureCoded.dataChunks) || self.erasureCoded.dataChunks +"
            f" self.erasureCoded.codingChunks == ({_DRIVES} < {WIDEST} ? {_DRIVES} : {WIDEST})",
            "objects are laid out over all drives, at most 16: dataChunks and codingChunks must add up to that, or"
            " leave out dataChunks",
            ".erasureCoded.dataChunks",
        ),
        Rule(
            "(has(self.mountPath) ? self.mountPath : '/drives')"
            " == (has(oldSelf.mountPath) ? oldSelf.mountPath : '/drives')",
            "the drives of a store stay where they are",
            ".mountPath",
        ),
        Rule(
            "has(self.masterKey) == has(oldSelf.masterKey)",
            "a store has its master key from its first start on: it is named then, or never",
            ".masterKey",
        ),
        Rule(
            "!has(self.settings) || "
            f"!('\\n' + self.settings).split('\\n[')[0].matches('(?m)^[ \\t]*({_REFUSED})[ \\t]*=')",
            f"these settings have fields of their own or are secrets: {', '.join(REFUSED_SETTINGS)}",
            ".settings",
        ),
    )

    @property
    def drives(self) -> list[str]:
        """The names of all drives, in their order."""
        return [names.drive(one.name, n) for one in self.volume_claim_templates for n in range(1, one.count + 1)]


def parse(body: Mapping[str, Any]) -> ObjectStoreSpec:
    """The spec of an ObjectStore. Raises SpecError, which names the field: objects may be older than their schema."""
    spec: ObjectStoreSpec = read(body, ObjectStoreSpec)
    drives = len(spec.drives)
    if drives > MOST_DRIVES:
        raise SpecError(f"spec.volumeClaimTemplates: a store has at most {MOST_DRIVES} drives, these are {drives}")
    if spec.erasure_coded is not None:
        _check_coding(spec.erasure_coded, drives)
    if spec.gateway.instances != 1:
        raise SpecError("spec.gateway.instances: the server runs on one node for now, so a store has one instance")
    if spec.gateway.ssl_certificate_ref and spec.gateway.certificate:
        raise SpecError("spec.gateway.certificate: TLS comes from a Secret or from cert-manager, not from both")
    _check_settings(spec.settings)
    return spec


def read(body: Mapping[str, Any], kind: type[msgspec.Struct]) -> Any:
    """`spec` of an object as that type. Raises SpecError with the path of the field."""
    try:
        return msgspec.convert(body.get("spec", {}), kind)
    except msgspec.ValidationError as error:
        told, _, path = str(error).partition(" - at `$")
        raise SpecError(f"spec{path.rstrip('`')}: {told[:1].lower()}{told[1:]}") from None


def _check_settings(text: str) -> None:
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"spec.settings: is no TOML: {error}") from None
    for name in given:
        if name in REFUSED_SETTINGS:
            raise SpecError(f"spec.settings: {name} has a field of its own, or is a secret")


def _check_coding(coding: ErasureCoded, drives: int) -> None:
    if coding.coding_chunks * 2 > drives:
        raise SpecError(f"spec.erasureCoded.codingChunks: at most half of {number_of(drives, 'drive')} may fail")
    width = min(drives, WIDEST)
    if coding.data_chunks is not None and coding.data_chunks + coding.coding_chunks != width:
        raise SpecError(
            f"spec.erasureCoded.dataChunks: objects are laid out over {number_of(width, 'drive')}, so it is"
            f" {width - coding.coding_chunks}, or left out"
        )
