"""The StatefulSet: one server with all drives of the store, each a volume of its own, as restricted as pods can be.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from objstore.kubernetes.kinds import Body
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.core import plain
from objstore.kubernetes.stores.spec import DriveTemplate, Probe, ProbeSetting
from objstore.kubernetes.stores.store import Store

GRACE_S = 60
"""Running requests get 30 seconds to finish, then open containers of bytes are sealed."""


def stateful_set(store: Store, *, image: str, version: str) -> Body:
    """The `image` is for a store whose spec names none. `version` changes when pods are to be started again: when the
    settings do, or root's credentials, which the server reads when it starts.
    """
    return {
        "metadata": store.metadata(names.stateful_set(store.name)),
        "spec": {
            "replicas": store.spec.gateway.instances,
            "serviceName": names.headless_service(store.name),
            # Parallel: a pod that never gets ready must not hold up the change that mends it.
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": names.selector(store.name)},
            "template": _pod(store, store.spec.image or image, version),
            "volumeClaimTemplates": claim_templates(store),
        },
    }


def claim_templates(store: Store) -> list[dict[str, Any]]:
    """A template for each drive, whose claims outlive the StatefulSet."""
    return [
        _claim_template(store, template, number)
        for template in store.spec.volume_claim_templates
        for number in range(1, template.count + 1)
    ]


def _claim_template(store: Store, template: DriveTemplate, number: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": names.drive(template.name, number),
        "labels": {**template.metadata.labels, **names.labels(store.name)},
    }
    if template.metadata.annotations:
        metadata["annotations"] = template.metadata.annotations
    asked = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", **plain(template.spec)}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": asked}


def _pod(store: Store, image: str, version: str) -> dict[str, Any]:
    spec = store.spec
    pod: dict[str, Any] = {
        "serviceAccountName": store.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": names.USER_ID,
            "runAsGroup": names.USER_ID,
            "fsGroup": names.USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(store, image)],
        "volumes": _volumes(store),
        **_placement(store),
    }
    if spec.priority_class_name:
        pod["priorityClassName"] = spec.priority_class_name
    if spec.runtime_class_name:
        pod["runtimeClassName"] = spec.runtime_class_name
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": one.name} for one in spec.image_pull_secrets]
    annotations = {**spec.annotations, names.SETTINGS_HASH: version}
    labels = {**spec.labels, **names.labels(store.name)}
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod}


def _container(store: Store, image: str) -> dict[str, Any]:
    spec = store.spec
    environment = {
        "OBJSTORE_ROOT_USER_FILE": f"{names.CREDENTIALS_FOLDER}/{names.USERNAME}",
        "OBJSTORE_ROOT_PASSWORD_FILE": f"{names.CREDENTIALS_FOLDER}/{names.PASSWORD}",
    }
    if spec.master_key is not None:
        environment["OBJSTORE_MASTER_KEY_FILE"] = f"{names.MASTER_KEY_FOLDER}/{spec.master_key.key}"
    container: dict[str, Any] = {
        "name": names.CONTAINER,
        "image": image,
        "args": ["server", "--config", f"{names.SETTINGS_FOLDER}/{names.SETTINGS_FILE}"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [{"name": names.PORT_NAMES[spec.gateway.tls], "containerPort": names.PORT, "protocol": "TCP"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(store),
        **_probes(store),
    }
    if spec.image_pull_policy:
        container["imagePullPolicy"] = spec.image_pull_policy
    if resources := plain(spec.resources):
        container["resources"] = resources
    return container


def _mounts(store: Store) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        {"name": "settings", "mountPath": names.SETTINGS_FOLDER, "readOnly": True},
        {"name": "credentials", "mountPath": names.CREDENTIALS_FOLDER, "readOnly": True},
    ]
    if store.spec.master_key is not None:
        mounts.append({"name": "master-key", "mountPath": names.MASTER_KEY_FOLDER, "readOnly": True})
    if store.tls_secret is not None:
        mounts.append({"name": "tls", "mountPath": names.TLS_FOLDER, "readOnly": True})
    mounts += [{"name": name, "mountPath": store.drive_path(name)} for name in store.spec.drives]
    return mounts


def _volumes(store: Store) -> list[dict[str, Any]]:
    """All but the drives, whose volumes the StatefulSet adds."""
    volumes: list[dict[str, Any]] = [
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "settings", "configMap": {"name": names.settings(store.name)}},
        _secret_volume("credentials", store.credentials_secret, names.USERNAME, names.PASSWORD),
    ]
    if store.spec.master_key is not None:
        volumes.append(_secret_volume("master-key", store.spec.master_key.name, store.spec.master_key.key))
    if store.tls_secret is not None:
        volumes.append(_secret_volume("tls", store.tls_secret, names.CERTIFICATE, names.PRIVATE_KEY))
    return volumes


def _secret_volume(name: str, secret: str, *keys: str) -> dict[str, Any]:
    items = [{"key": key, "path": key} for key in keys]
    return {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": 0o440}}


def _probes(store: Store) -> dict[str, Any]:
    """A store that became read-only still serves reads, so it stays ready: its status tells what is wrong."""
    check = store.spec.health_check
    found = {
        "startupProbe": _probe(store, check.startup_probe, {"periodSeconds": 5, "failureThreshold": 120}),
        "readinessProbe": _probe(store, check.readiness_probe, {"periodSeconds": 5, "timeoutSeconds": 5}),
        "livenessProbe": _probe(
            store, check.liveness_probe, {"periodSeconds": 20, "timeoutSeconds": 10, "failureThreshold": 6}
        ),
    }
    return {name: probe for name, probe in found.items() if probe is not None}


def _probe(store: Store, setting: ProbeSetting, usual: Mapping[str, int]) -> dict[str, Any] | None:
    if setting.disabled:
        return None
    scheme = "HTTPS" if store.spec.gateway.tls else "HTTP"
    asked = {"path": "/-/health/live", "port": names.PORT_NAMES[store.spec.gateway.tls], "scheme": scheme}
    given: Probe = setting.probe
    return {"httpGet": asked, **usual, **plain(given)}


def _placement(store: Store) -> dict[str, Any]:
    placement = store.spec.placement
    found: dict[str, Any] = {}
    if placement.node_selector:
        found["nodeSelector"] = placement.node_selector
    if placement.tolerations:
        found["tolerations"] = [plain(one) for one in placement.tolerations]
    affinity = {
        name: plain(part)
        for name, part in (
            ("nodeAffinity", placement.node_affinity),
            ("podAffinity", placement.pod_affinity),
            ("podAntiAffinity", placement.pod_anti_affinity),
        )
        if part is not None
    }
    return found | ({"affinity": affinity} if affinity else {})
