"""What everything of an ObjectStore is called: groups, labels, annotations, and the objects that are made for it."""

from __future__ import annotations

from typing import Final

GROUP: Final = "objstore.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
STORE: Final = "ObjectStore"
USER: Final = "ObjectStoreUser"

FINALIZER: Final = f"{GROUP}/finalizer"

NAME_LABEL: Final = "app.kubernetes.io/name"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
VERSION_LABEL: Final = "app.kubernetes.io/version"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
PART_OF_LABEL: Final = "app.kubernetes.io/part-of"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
APPLICATION: Final = "objstore"
MANAGER: Final = "objstore-operator"
COMPONENT: Final = "store"
STORE_NAME_LABEL: Final = f"{GROUP}/store"
STORE_NAMESPACE_LABEL: Final = f"{GROUP}/store-namespace"
USER_LABEL: Final = f"{GROUP}/user"

SETTINGS_HASH: Final = f"{GROUP}/settings-hash"
"""On pods: a digest of what the server reads at its start only, so that a change of it rolls them."""

KNOWN_DRIVE: Final = f"{GROUP}/known-drive"
"""On PersistentVolumeClaims: servers are started with this drive, for it is in the pool or was there from the start."""

# Inside a pod.
CONTAINER: Final = "objstore"
PORT: Final = 9000
PORT_NAMES: Final = {False: "http", True: "https"}
SETTINGS_FOLDER: Final = "/etc/objstore/settings"
SETTINGS_FILE: Final = "objstore.toml"
CREDENTIALS_FOLDER: Final = "/etc/objstore/credentials"
MASTER_KEY_FOLDER: Final = "/etc/objstore/master-key"
TLS_FOLDER: Final = "/etc/objstore/tls"
USER_ID: Final = 10001

# Keys of Secrets.
USERNAME, PASSWORD = "username", "password"
CERTIFICATE, PRIVATE_KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
CA_BUNDLE: Final = "cabundle"
ACCESS_KEY, SECRET_KEY, ENDPOINT = "AccessKey", "SecretKey", "Endpoint"


def stateful_set(store: str) -> str:
    return store


def pod(store: str, ordinal: int) -> str:
    return f"{store}-{ordinal}"


def service(store: str) -> str:
    """The Service that clients talk to."""
    return store


def headless_service(store: str) -> str:
    """The Service that gives each pod a name."""
    return f"{store}-nodes"


def settings(store: str) -> str:
    """The ConfigMap with the server's settings."""
    return f"{store}-settings"


def credentials(store: str) -> str:
    """The Secret with root's credentials, where the spec names none."""
    return f"{store}-root-credentials"


def certificate(store: str) -> str:
    """cert-manager's Certificate, and the Secret that it fills."""
    return f"{store}-tls"


def storage_class(namespace: str, store: str) -> str:
    """The StorageClass of bucket claims, where the spec names none; it belongs to the whole cluster."""
    return f"{namespace}-{store}"


def drive(template: str, number: int) -> str:
    """The name of a drive: of its volume in the pod, and of the claim template; numbers count from 1."""
    return f"{template}-{number}"


def volume_claim(drive_name: str, store: str, ordinal: int) -> str:
    """The PersistentVolumeClaim that a StatefulSet makes of a template."""
    return f"{drive_name}-{pod(store, ordinal)}"


def user_secret(store: str, user: str) -> str:
    return f"objstore-object-user-{store}-{user}"


def host(store: str, namespace: str) -> str:
    """The client Service's name in the cluster's DNS, which every search list of a cluster resolves."""
    return f"{service(store)}.{namespace}.svc"


def selector(store: str) -> dict[str, str]:
    """The labels that a store's pods are found by; they never change."""
    return {NAME_LABEL: APPLICATION, INSTANCE_LABEL: store, COMPONENT_LABEL: COMPONENT}


def labels(store: str) -> dict[str, str]:
    """The labels of what the operator makes for a store."""
    return {**selector(store), PART_OF_LABEL: APPLICATION, MANAGED_BY_LABEL: MANAGER}
