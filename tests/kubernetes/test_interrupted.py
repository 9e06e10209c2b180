"""An operator that dies between any two of its calls is taken up where it was: nothing is made twice, nothing is left.

A pass of a controller is cut short after every number of calls, one after the other, and further passes run as those of
an operator that was started again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration

from objstore.client import ADMIN, Connection, ask
from objstore.kubernetes.cluster import Cluster
from objstore.kubernetes.controller import Controller
from objstore.kubernetes.kinds import (
    CONFIG_MAP,
    NETWORK_POLICY,
    OBJECT_STORE,
    OBJECT_STORE_USER,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    Key,
)
from objstore.kubernetes.stores.controller import Stores
from objstore.kubernetes.users.controller import Users
from tests.harness import ROOT_PASSWORD, ROOT_USER, serving
from tests.kubernetes.api import Api
from tests.kubernetes.installing import install

MOST = 60
"""No pass has so many calls."""

FIRST, STEP = (0, 1) if os.environ.get("OBJSTORE_KUBERNETES_FULL") else (1, 3)
"""After how many calls the first pass is cut short, and how many more each time."""

Pass = Callable[[Key], Awaitable[None]]


class Died(BaseException):
    """The operator was killed; nothing catches that."""


class Mortal(Cluster):
    """A gate that lets so many calls through: the one after is made, and its answer never seen."""

    def __init__(self, client: ApiClient, calls: int) -> None:
        super().__init__(client)
        self._left = calls

    async def _call(self, *arguments: Any, **options: Any) -> Any:
        self._left -= 1
        found = await super()._call(*arguments, **options)
        if self._left < 0:
            raise Died
        return found


async def cut(
    api: Api,
    controller: Callable[[Cluster], Controller],
    begin: Callable[[str, Pass], Awaitable[Key]],
    settled: Callable[[Key], bool],
) -> int:
    """Cut passes short after more and more calls, each at an object of its own that `begin` makes, until one comes to
    its end; after how many that was. Further passes must bring each to where it is `settled`, and then let it go."""
    settings = Configuration()
    await config.load_kube_config(str(api.admin), client_configuration=settings)
    async with ApiClient(settings) as client:

        async def whole(key: Key) -> None:
            await controller(Cluster(client)).reconcile(key)

        async def until(what: Callable[[], bool], key: Key) -> None:
            for _ in range(200):
                await whole(key)
                if await asyncio.to_thread(what):
                    return
                await asyncio.sleep(0.02)  # for the garbage collector
            raise AssertionError(f"{key} does not settle")

        kind = controller(Cluster(client)).kind
        for calls in range(FIRST, MOST, STEP):
            key = await begin(f"cut-{calls}", whole)
            ended = False
            try:
                await controller(Mortal(client, calls)).reconcile(key)
                ended = True
            except Died:
                pass
            await until(lambda key=key: settled(key), key)  # type: ignore[misc]
            api.delete(kind, *key)
            await until(lambda key=key: api.get(kind, *key) is None, key)  # type: ignore[misc]
            if ended:
                return calls
    raise AssertionError(f"a pass has more than {MOST} calls")


@pytest.fixture(scope="module")
def installed(api: Api) -> Api:
    install(api)
    return api


def spec(count: int, port: int = 1) -> dict[str, Any]:
    """A store that nobody answers for."""
    template = {"name": "disk", "count": count, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    advertised = {"dnsName": "127.0.0.1", "port": port, "useTls": False}
    return {"volumeClaimTemplates": [template], "hosting": {"advertiseEndpoint": advertised}}


def stores(cluster: Cluster) -> Controller:
    return Stores(cluster, image="image", provisioner="provisioner", namespace="operators")


def test_a_store_that_is_made(installed: Api) -> None:
    api, namespace = installed, installed.namespace("cut")
    credentials: dict[Key, Any] = {}

    async def begin(name: str, _: Pass) -> Key:
        api.create(OBJECT_STORE, {"metadata": {"namespace": namespace, "name": name}, "spec": spec(2)})
        return Key(namespace, name)

    def settled(key: Key) -> bool:
        secret = api.get(SECRET, namespace, f"{key.name}-root-credentials")
        assert credentials.setdefault(key, secret["data"]) == secret["data"], "credentials are made once"
        parts = ((STATEFUL_SET, key.name), (SERVICE, key.name), (CONFIG_MAP, f"{key.name}-settings"))
        there = [api.get(kind, namespace, name) for kind, name in parts]
        told = (api.get(OBJECT_STORE, *key).get("status") or {}).get("observedGeneration")
        return all(there) and told == 1 and api.get(STORAGE_CLASS, "", f"{namespace}-{key.name}") is not None

    assert asyncio.run(cut(api, stores, begin, settled)) > 15
    left = [one for one in api.list(STORAGE_CLASS) if one["metadata"]["name"].startswith(f"{namespace}-")]
    assert left == []


def test_a_store_that_grows(installed: Api) -> None:
    """There is one StatefulSet in the end, with all templates, and the settings name the drives of before."""
    api, namespace = installed, installed.namespace("cut-growing")

    async def begin(name: str, whole: Pass) -> Key:
        key = Key(namespace, name)
        api.create(OBJECT_STORE, {"metadata": {"namespace": namespace, "name": name}, "spec": spec(1)})
        await whole(key)
        api.patch(OBJECT_STORE, *key, {"spec": spec(2)})
        return key

    def settled(key: Key) -> bool:
        found = api.get(STATEFUL_SET, *key)
        text = api.get(CONFIG_MAP, namespace, f"{key.name}-settings")["data"]["objstore.toml"]
        assert 'drives = ["/drives/disk-1"]' in text
        return found is not None and len(found["spec"]["volumeClaimTemplates"]) == 2

    assert asyncio.run(cut(api, stores, begin, settled)) > 15


def test_a_user_that_is_made(installed: Api, tmp_path: Path) -> None:
    api, namespace = installed, installed.namespace("cut-users")
    with serving(tmp_path / "server", drives=1) as server:
        root = Connection(server.endpoint, ROOT_USER, ROOT_PASSWORD)
        credentials = {"username": ROOT_USER, "password": ROOT_PASSWORD}
        api.create(SECRET, {"metadata": {"namespace": namespace, "name": "given"}, "stringData": credentials})
        whole = spec(1, server.port) | {"credentials": {"name": "given"}}
        api.create(OBJECT_STORE, {"metadata": {"namespace": namespace, "name": "main"}, "spec": whole})

        def accounts() -> list[str]:
            return [one["name"] for one in ask(root, f"{ADMIN}/accounts")["accounts"]]

        async def begin(name: str, _: Pass) -> Key:
            body = {"metadata": {"namespace": namespace, "name": name}, "spec": {"store": "main"}}
            api.create(OBJECT_STORE_USER, body)
            return Key(namespace, name)

        def settled(key: Key) -> bool:
            status = api.get(OBJECT_STORE_USER, *key)["status"]
            secret = api.get(SECRET, namespace, f"objstore-object-user-main-{key.name}")
            assert status["phase"] == "Ready" and secret is not None
            assert accounts().count(f"user-{namespace}-{key.name}") == 1
            return True

        assert asyncio.run(cut(api, lambda cluster: Users(cluster, recheck=3600.0), begin, settled)) >= 7
        assert [one for one in accounts() if one.startswith(f"user-{namespace}-")] == [], "nothing is left"


def test_a_pass_over_what_is_as_it_should_be_writes_nothing(installed: Api) -> None:
    api, namespace = installed, installed.namespace("still")
    key = Key(namespace, "main")
    api.create(OBJECT_STORE, {"metadata": {"namespace": namespace, "name": "main"}, "spec": spec(2)})
    kinds = (OBJECT_STORE, STATEFUL_SET, SERVICE, CONFIG_MAP, SECRET, NETWORK_POLICY, POD_DISRUPTION_BUDGET)

    def versions() -> list[str]:
        found = [one for kind in kinds for one in api.list(kind, namespace)]
        found.append(api.get(STORAGE_CLASS, "", f"{namespace}-main"))
        return [one["metadata"]["resourceVersion"] for one in found]

    async def passes() -> None:
        settings = Configuration()
        await config.load_kube_config(str(api.admin), client_configuration=settings)
        async with ApiClient(settings) as client:
            for _ in range(2):
                await stores(Cluster(client)).reconcile(key)
            before = await asyncio.to_thread(versions)
            for _ in range(2):
                await stores(Cluster(client)).reconcile(key)
            assert await asyncio.to_thread(versions) == before
            api.delete(OBJECT_STORE, *key)
            await stores(Cluster(client)).reconcile(key)

    asyncio.run(passes())
    assert api.get(OBJECT_STORE, *key) is None
