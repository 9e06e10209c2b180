"""How a store is reached, and by whom: Services, NetworkPolicy, Certificate; and how it is watched: ServiceMonitor."""

from __future__ import annotations

from typing import Any, Final

from objstore.kubernetes.kinds import Body
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.core import plain
from objstore.kubernetes.stores.store import Store

_CLIENTS: Final = {f"{names.GROUP}/service": "clients"}


def client_service(store: Store) -> Body:
    """The Service that clients talk to."""
    asked = store.spec.gateway.service
    metadata = store.metadata(names.service(store.name), {**asked.labels, **_CLIENTS})
    if asked.annotations:
        metadata["annotations"] = asked.annotations
    spec: dict[str, Any] = {
        "type": asked.type,
        "selector": names.selector(store.name),
        "ports": [_port(store, store.service_port)],
    }
    if asked.load_balancer_class:
        spec["loadBalancerClass"] = asked.load_balancer_class
    if asked.external_traffic_policy:
        spec["externalTrafficPolicy"] = asked.external_traffic_policy
    return {"metadata": metadata, "spec": spec}


def headless_service(store: Store) -> Body:
    """The Service that names pods, whether they are ready or not."""
    return {
        "metadata": store.metadata(names.headless_service(store.name)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": names.selector(store.name),
            "ports": [_port(store, names.PORT)],
        },
    }


def _port(store: Store, port: int) -> dict[str, Any]:
    name = names.PORT_NAMES[store.spec.gateway.tls]
    return {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}


def network_policy(store: Store, operators: str) -> Body:
    """Connections to the one port, from whoever is let in, and from the operator in the namespace `operators`; the
    server's own go where they may."""
    rule: dict[str, Any] = {"ports": [{"port": names.PORT, "protocol": "TCP"}]}
    if peers := store.spec.network_policy.ingress_from:
        operator = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": operators}},
            "podSelector": {"matchLabels": {names.NAME_LABEL: names.APPLICATION, names.COMPONENT_LABEL: "operator"}},
        }
        rule["from"] = [*(plain(peer) for peer in peers), operator]
    return {
        "metadata": store.metadata(store.name),
        "spec": {
            "podSelector": {"matchLabels": names.selector(store.name)},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    }


def disruption_budget(store: Store) -> Body:
    return {
        "metadata": store.metadata(store.name),
        "spec": {
            "maxUnavailable": store.spec.max_unavailable,
            "selector": {"matchLabels": names.selector(store.name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def service_account(store: Store) -> Body:
    """An account that may do nothing: the server never speaks to the API server."""
    return {"metadata": store.metadata(store.name), "automountServiceAccountToken": False}


def certificate(store: Store) -> Body | None:
    """cert-manager's Certificate, where one is asked for."""
    asked = store.spec.gateway.certificate
    if asked is None:
        return None
    hosting = store.spec.hosting
    advertised = [hosting.advertise_endpoint.dns_name] if hosting.advertise_endpoint is not None else []
    named = [*store.service_names, *advertised, *hosting.dns_names]
    spec: dict[str, Any] = {
        "secretName": names.certificate(store.name),
        "dnsNames": list(dict.fromkeys([*named, *(f"*.{domain}" for domain in store.domains)])),
        "issuerRef": {
            "name": asked.issuer_ref.name,
            "kind": asked.issuer_ref.kind,
            "group": asked.issuer_ref.group,
        },
        "privateKey": {"rotationPolicy": "Always"},
        "usages": ["digital signature", "key encipherment", "server auth"],
    }
    if asked.duration:
        spec["duration"] = asked.duration
    if asked.renew_before:
        spec["renewBefore"] = asked.renew_before
    return {"metadata": store.metadata(names.certificate(store.name)), "spec": spec}


def service_monitor(store: Store) -> Body:
    """Prometheus asks the client Service for `/-/metrics`."""
    asked = store.spec.service_monitor
    tls = store.spec.gateway.tls
    scraped: dict[str, Any] = {
        "port": names.PORT_NAMES[tls],
        "path": "/-/metrics",
        "interval": asked.interval,
        "scheme": "https" if tls else "http",
    }
    if store.tls_secret is not None:
        authority = {"secret": {"name": store.tls_secret, "key": names.AUTHORITY, "optional": True}}
        scraped["tlsConfig"] = {"serverName": store.service_names[0], "ca": authority}
    return {
        "metadata": store.metadata(store.name, asked.labels),
        "spec": {"selector": {"matchLabels": {**names.selector(store.name), **_CLIENTS}}, "endpoints": [scraped]},
    }


def storage_class(store: Store, provisioner: str) -> Body:
    """The StorageClass by which buckets of this store are claimed. It has no owner, being the whole cluster's: labels
    say whose it is."""
    labels = {
        **names.labels(store.name),
        names.STORE_NAME_LABEL: store.name,
        names.STORE_NAMESPACE_LABEL: store.namespace,
    }
    return {
        "metadata": {"name": store.storage_class, "labels": labels},
        "provisioner": provisioner,
        "reclaimPolicy": store.spec.bucket_storage_class.reclaim_policy,
        "volumeBindingMode": "Immediate",
        "parameters": {
            "objectStoreName": store.name,
            "objectStoreNamespace": store.namespace,
            "region": store.spec.region,
        },
    }
