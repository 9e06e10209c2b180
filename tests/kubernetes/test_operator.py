"""The operator's own ways: its gate to the API server, its one leader, its queues."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration

from objstore.kubernetes import leader as leading
from objstore.kubernetes.cluster import AlreadyExists, Cluster, Conflict, Invalid, Unreachable
from objstore.kubernetes.events import Events
from objstore.kubernetes.kinds import CONFIG_MAP, EVENT, LEASE, NAMESPACE, SERVICE_MONITOR, Key
from objstore.kubernetes.leader import Leader
from objstore.kubernetes.workqueue import Workqueue
from tests.kubernetes.api import Api


async def _cluster(kubeconfig: Path) -> Cluster:
    settings = Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=settings)
    return Cluster(ApiClient(settings))


def test_the_gate(api: Api) -> None:
    """Every verb, and each refusal by its own error."""
    namespace = api.namespace("gate")

    async def use() -> None:
        cluster = await _cluster(api.admin)
        key = Key(namespace, "one")
        assert await cluster.get(CONFIG_MAP, key) is None
        body = {
            "metadata": {"name": "one", "namespace": namespace, "labels": {"of": "ours"}},
            "data": {"a": "1", "b": "2"},
        }
        made = await cluster.create(CONFIG_MAP, body)
        with pytest.raises(AlreadyExists):
            await cluster.create(CONFIG_MAP, body)
        patched = await cluster.patch(CONFIG_MAP, key, {"data": {"c": "3"}})
        assert patched["data"] == {"a": "1", "b": "2", "c": "3"}
        with pytest.raises(Conflict):
            await cluster.replace(CONFIG_MAP, made | {"data": {}})
        with pytest.raises(Invalid, match="one@"):
            await cluster.create(CONFIG_MAP, {"metadata": {"name": "one@", "namespace": namespace}})
        applied = await cluster.apply(CONFIG_MAP, body | {"metadata": {"name": "two", "namespace": namespace}})
        assert applied["data"] == {"a": "1", "b": "2"}
        applied = await cluster.apply(
            CONFIG_MAP, {"metadata": {"name": "two", "namespace": namespace}, "data": {"a": "4"}}
        )
        assert applied["data"] == {"a": "4"}
        assert [
            one["metadata"]["name"] async for one in cluster.pages(CONFIG_MAP, namespace, labels={"of": "ours"})
        ] == ["one"]
        assert [one async for one in cluster.pages(SERVICE_MONITOR)] == []
        assert not await cluster.delete(CONFIG_MAP, key, uid="another")
        assert await cluster.delete(CONFIG_MAP, key, uid=made["metadata"]["uid"])
        assert not await cluster.delete(CONFIG_MAP, key)
        assert (await cluster.get(NAMESPACE, Key("", namespace))) is not None
        await cluster._client.close()

    asyncio.run(use())


def test_nobody_there(tmp_path: Path) -> None:
    """No API server is an error that says to try again."""
    api = Api(tmp_path)
    (tmp_path / "pki").mkdir()
    settings = Configuration(host=f"http://127.0.0.1:{api.port}")

    async def use() -> None:
        async with ApiClient(settings) as client:
            with pytest.raises(Unreachable):
                await Cluster(client).get(CONFIG_MAP, Key("a", "b"))

    asyncio.run(use())


def test_an_event_is_told_once(api: Api) -> None:
    """The same event again is not another one."""
    namespace = api.namespace("told")
    about = api.create(CONFIG_MAP, {"metadata": {"name": "one", "namespace": namespace}})

    async def tell() -> None:
        cluster = await _cluster(api.admin)
        events = Events(cluster)
        for _ in range(3):
            await events.warning(about, "Broken", "it is broken")
        await events.normal(about, "Mended", "it is mended")
        await cluster._client.close()

    asyncio.run(tell())
    told = api.list(EVENT, namespace)
    assert sorted((one["type"], one["reason"], one["count"]) for one in told) == [
        ("Normal", "Mended", 1),
        ("Warning", "Broken", 1),
    ]
    assert all(one["involvedObject"]["uid"] == about["metadata"]["uid"] for one in told)


def test_one_leads(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two candidates one works; the other takes over at once when it ends, and after a lease when it dies."""
    namespace = api.namespace("lead")
    monkeypatch.setattr(leading, "LEASE_S", 2)
    monkeypatch.setattr(leading, "RENEW_S", 1.2)
    monkeypatch.setattr(leading, "RETRY_S", 0.2)
    order: list[str] = []

    async def candidates() -> None:
        cluster = await _cluster(api.admin)
        key = Key(namespace, "lease")
        end = asyncio.Event()

        async def work(name: str) -> None:
            order.append(name)
            assert len(order) == len(set(order)), "two lead"
            await end.wait()

        async def until(name: str) -> None:
            while name not in order:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

        first = asyncio.create_task(Leader(cluster, key, "first").run(lambda: work("first")))
        await asyncio.wait_for(until("first"), 5)
        second = asyncio.create_task(Leader(cluster, key, "second").run(lambda: work("second")))
        await asyncio.sleep(3)  # longer than a lease lasts
        assert order == ["first"]
        first.cancel()  # dies: nothing is released
        await asyncio.wait_for(until("second"), 10)
        third = asyncio.create_task(Leader(cluster, key, "third").run(lambda: work("third")))
        await asyncio.sleep(0.5)
        end.set()
        await second
        await asyncio.wait_for(until("third"), 10)
        await third
        await cluster._client.close()

    asyncio.run(candidates())
    assert api.get(LEASE, namespace, "lease")["spec"]["leaseTransitions"] == 3


def test_the_lead_is_lost_without_the_api_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot renew stops working before another may begin."""
    monkeypatch.setattr(leading, "LEASE_S", 2)
    monkeypatch.setattr(leading, "RENEW_S", 0.6)
    monkeypatch.setattr(leading, "RETRY_S", 0.1)
    there = True
    lease: dict[str, object] = {}

    class Deaf(Cluster):
        def __init__(self) -> None:
            pass

        async def get(self, kind, key):  # type: ignore[no-untyped-def]
            if not there:
                raise Unreachable(0, "Unreachable", "gone")
            return lease or None

        async def create(self, kind, body):  # type: ignore[no-untyped-def]
            lease.update({**body, "metadata": body["metadata"] | {"resourceVersion": "1"}})
            return lease

        replace = create

    async def lead() -> None:
        nonlocal there
        stopped: list[bool] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(True)

        one = Leader(Deaf(), Key("a", "b"), "one")
        task = asyncio.create_task(one.run(work))
        await asyncio.sleep(0.3)
        assert one.leading
        there = False
        await asyncio.sleep(1.2)
        assert not one.leading
        assert stopped == [True]
        there = True
        await asyncio.sleep(0.3)
        assert one.leading
        task.cancel()

    asyncio.run(lead())


def test_a_key_is_worked_on_by_one_task() -> None:
    """A key that comes while it is being worked on is worked on once more, and never twice at the same time."""
    key, running, seen = Key("a", "b"), 0, 0

    async def work(_: Key) -> None:
        nonlocal running, seen
        running += 1
        assert running == 1
        seen += 1
        await asyncio.sleep(0.02)
        running -= 1

    async def run() -> None:
        queue = Workqueue("test", work, 4)
        for _ in range(3):
            queue.add(key)
        task = asyncio.create_task(queue.run())
        await asyncio.sleep(0.01)
        for _ in range(3):
            queue.add(key)
        await asyncio.sleep(0.1)
        task.cancel()

    asyncio.run(run())
    assert seen == 2


def test_failures_are_tried_again_and_wishes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails comes back, later and later; what asks to be looked at again is; one bad key holds up no other."""
    monkeypatch.setattr("objstore.kubernetes.workqueue.FIRST_RETRY_S", 0.01)
    seen: list[str] = []

    async def work(key: Key) -> float | None:
        seen.append(key.name)
        if key.name == "bad":
            raise RuntimeError("no")
        return 0.02 if seen.count("again") < 3 and key.name == "again" else None

    async def run() -> None:
        queue = Workqueue("test", work, 1)
        for name in ("bad", "again", "good"):
            queue.add(Key("", name))
        task = asyncio.create_task(queue.run())
        await asyncio.sleep(0.3)
        task.cancel()

    asyncio.run(run())
    assert seen.count("good") == 1
    assert seen.count("again") == 3
    assert 3 <= seen.count("bad") <= 8
