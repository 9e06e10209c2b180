"""One ObjectStore as its builders see it: who it is, what it asks for, and where clients find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from objstore.kubernetes.kinds import OBJECT_STORE, Body, Key
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.spec import ObjectStoreSpec, parse


@dataclass(frozen=True)
class Endpoint:
    """Where a store is reached."""

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


@dataclass(frozen=True)
class Store:
    """`uid` is that of the object which owns what is built."""

    key: Key
    uid: str
    spec: ObjectStoreSpec

    @classmethod
    def of(cls, body: Body) -> Store:
        """Raises SpecError."""
        metadata = body["metadata"]
        return cls(Key(metadata["namespace"], metadata["name"]), metadata["uid"], parse(body))

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def service_port(self) -> int:
        gateway = self.spec.gateway
        return (gateway.secure_port or 443) if gateway.tls else (gateway.port or 80)

    @property
    def service_endpoint(self) -> Endpoint:
        """The client Service."""
        return Endpoint(names.host(self.name, self.namespace), self.service_port, self.spec.gateway.tls)

    @property
    def endpoint(self) -> Endpoint:
        """What users and claims are told, and the operator uses: the advertised one, or the client Service."""
        told = self.spec.hosting.advertise_endpoint
        return Endpoint(told.dns_name, told.port, told.use_tls) if told is not None else self.service_endpoint

    @cached_property
    def service_names(self) -> list[str]:
        """The names that the cluster's DNS has for the client Service."""
        short = names.host(self.name, self.namespace)
        return [short, f"{short}.{self.spec.cluster_domain}"]

    @property
    def domains(self) -> list[str]:
        """Under which names buckets are subdomains: none unless somebody asked for one, as then DNS has to answer."""
        hosting = self.spec.hosting
        asked = [hosting.advertise_endpoint.dns_name] if hosting.advertise_endpoint and hosting.dns_names else []
        asked += hosting.dns_names
        return list(dict.fromkeys([*self.service_names, *asked])) if asked else []

    def drive_path(self, drive: str) -> str:
        """Where a drive is in the pods."""
        return f"{self.spec.mount_path}/{drive}"

    @property
    def credentials_secret(self) -> str:
        given = self.spec.credentials
        return given.name if given is not None else names.credentials(self.name)

    @property
    def tls_secret(self) -> str | None:
        gateway = self.spec.gateway
        return names.certificate(self.name) if gateway.certificate is not None else gateway.ssl_certificate_ref

    @property
    def storage_class(self) -> str:
        return self.spec.bucket_storage_class.name or names.storage_class(self.namespace, self.name)

    def metadata(self, name: str, labels: Mapping[str, str] | None = None, *, owned: bool = True) -> dict[str, Any]:
        """The metadata of an object in the store's namespace, which goes with the store where it is `owned`."""
        made: dict[str, Any] = {
            "name": name,
            "namespace": self.namespace,
            "labels": {**(labels or {}), **names.labels(self.name)},
        }
        if owned:
            made["ownerReferences"] = [
                {
                    "apiVersion": OBJECT_STORE.api_version,
                    "kind": OBJECT_STORE.name,
                    "name": self.name,
                    "uid": self.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ]
        return made
