"""The kinds of object that the operator reads and writes, and how their URLs are spelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

Body = Mapping[str, Any]
"""An object as the API server's JSON has it."""


class Key(NamedTuple):
    """Which object of a kind; the namespace is "" for what has none."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Kind(NamedTuple):
    """One kind, at the version that the operator speaks."""

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of one object, of all in a namespace, or of all there are."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(quote(part, safe=":") for part in parts)


CONFIG_MAP: Final = Kind("", "v1", "configmaps", "ConfigMap")
EVENT: Final = Kind("", "v1", "events", "Event")
NAMESPACE: Final = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
PERSISTENT_VOLUME_CLAIM: Final = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
POD: Final = Kind("", "v1", "pods", "Pod")
SECRET: Final = Kind("", "v1", "secrets", "Secret")
SERVICE: Final = Kind("", "v1", "services", "Service")
SERVICE_ACCOUNT: Final = Kind("", "v1", "serviceaccounts", "ServiceAccount")
STATEFUL_SET: Final = Kind("apps", "v1", "statefulsets", "StatefulSet")
LEASE: Final = Kind("coordination.k8s.io", "v1", "leases", "Lease")
NETWORK_POLICY: Final = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
POD_DISRUPTION_BUDGET: Final = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
STORAGE_CLASS: Final = Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
SERVICE_MONITOR: Final = Kind("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor")
CERTIFICATE: Final = Kind("cert-manager.io", "v1", "certificates", "Certificate")

OBJECT_STORE: Final = Kind("objstore.io", "v1alpha1", "objectstores", "ObjectStore")
OBJECT_STORE_USER: Final = Kind("objstore.io", "v1alpha1", "objectstoreusers", "ObjectStoreUser")
OBJECT_BUCKET_CLAIM: Final = Kind("objectbucket.io", "v1alpha1", "objectbucketclaims", "ObjectBucketClaim")
OBJECT_BUCKET: Final = Kind("objectbucket.io", "v1alpha1", "objectbuckets", "ObjectBucket", namespaced=False)


def key_of(body: Body) -> Key:
    """Which object that is."""
    metadata = body.get("metadata") or {}
    return Key(metadata.get("namespace") or "", metadata["name"])


def spec_of(body: Body) -> Body:
    """What an object asks for; nothing where that is nothing that can be read."""
    spec = body.get("spec")
    return spec if isinstance(spec, Mapping) else {}
