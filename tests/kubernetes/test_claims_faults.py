"""What is done for claims is done once and all of it, whatever dies in between: operator, store or API server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from objstore.kubernetes.kinds import NAMESPACE as NAMESPACE_KIND
from objstore.kubernetes.kinds import OBJECT_BUCKET_CLAIM, SECRET
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running, free_port, serving
from tests.kubernetes.api import Api, Operator
from tests.kubernetes.claiming import World
from tests.kubernetes.installing import ACCOUNT, NAMESPACE, install, until

FULL = bool(os.environ.get("OBJSTORE_KUBERNETES_FULL"))
AWAY_S = 60.0 if FULL else 2.0  # the longer one costs the operator its lead, and brings its longest wait
MOST_CALLS = 120


class Mortal:
    """Operators that die after so many calls (tests/kubernetes/dying.py)."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.log = folder / "dying.log"
        environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig(NAMESPACE, ACCOUNT))}
        with self.log.open("ab") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.kubernetes.dying", NAMESPACE, f"127.0.0.1:{free_port()}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )

    def start(self, calls: int) -> int:
        """One that dies after so many calls, 0 for one that does not; its process id."""
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._parent.stdin.write(f"{calls}\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())

    def end(self) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(30)


def dead(pid: int) -> bool:
    """Whether a process has been killed, and waits for its parent to know."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture(scope="module")
def mortal(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    install(api)
    operators = Mortal(api, tmp_path_factory.mktemp("dying"))
    operators.start(0)
    for claim in api.list(OBJECT_BUCKET_CLAIM):  # of other tests: each would be a dozen calls of every new operator
        api.delete(OBJECT_BUCKET_CLAIM, claim["metadata"]["namespace"], claim["metadata"]["name"])
    until(lambda: not api.list(OBJECT_BUCKET_CLAIM), "no claim is left of other tests", seconds=120)
    yield operators
    operators.end()


@pytest.fixture(scope="module")
def world(api: Api, server: Running, mortal: Mortal) -> World:
    return World(api, server, Operator(api.admin, mortal.log), prefix="mortal-")


def check_one_of_each(world: World, team: str, name: str) -> None:
    """One account with one key, which the Secret has, and one bucket, which it opens."""
    (account,) = [one for one in world.accounts(team) if one["name"].startswith(f"obc-{team}-{name}-"[:27])]
    s3, bucket = world.application(team, name)
    assert world.keys(account) == [world.told(team, name)["AWS_ACCESS_KEY_ID"]]
    assert world.buckets(account) == [bucket]
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")


@pytest.mark.timeout(900)
def test_an_operator_may_die_between_any_two_calls(world: World, mortal: Mortal) -> None:
    """At every step of provisioning and of deletion; the next one comes to the same end, with nothing made twice."""
    done = {"made": False, "deleted": False}
    for calls in range(1, MOST_CALLS, 1 if FULL else 13):
        team = world.namespace("dying")
        if not done["made"]:
            pid = mortal.start(calls)
            world.claim(team, "one", additionalConfig={"maxSize": "1G", "versioning": "Enabled"})
            until(lambda pid=pid, team=team: dead(pid) or phase(world, team) == "Bound", f"made or dead after {calls}")
            done["made"] = not dead(pid)
            mortal.start(0)
        else:
            world.claim(team, "one")
        world.bound(team, "one")
        check_one_of_each(world, team, "one")
        if not done["deleted"]:
            pid = mortal.start(calls)
            world.delete(team, "one", wait=False)
            until(lambda pid=pid, team=team: dead(pid) or not world.get(team, "one"), f"gone or dead after {calls}")
            done["deleted"] = not dead(pid)
            mortal.start(0)
        else:
            world.delete(team, "one", wait=False)
        world.gone(team, "one")
        assert world.accounts(team) == [], f"left behind by an operator that died after {calls} calls"
        if all(done.values()):
            break
    assert all(done.values()), "it took more calls than foreseen"


def phase(world: World, team: str, name: str = "one") -> str:
    return str(((world.get(team, name) or {}).get("status") or {}).get("phase") or "")


def test_a_claim_that_is_deleted_while_it_is_made(world: World, mortal: Mortal) -> None:
    """However far it has come."""
    mortal.start(0)
    team = world.namespace("hasty")
    for number in range(6):
        world.claim(team, f"hasty-{number}")
        time.sleep(0.06 * number)
        world.delete(team, f"hasty-{number}", wait=False)
    for number in range(6):
        world.gone(team, f"hasty-{number}")
    assert world.accounts(team) == []


def test_a_namespace_may_go_with_its_claims(world: World, mortal: Mortal) -> None:
    mortal.start(0)
    team = world.namespace("going")
    for name in ("one", "two"):
        world.claim(team, name)
    world.bound(team, "one")
    s3, bucket = world.application(team, "one")
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    world.api.delete(NAMESPACE_KIND, "", team)
    until(lambda: world.api.get(NAMESPACE_KIND, "", team) is None, f"namespace {team} is gone", seconds=90)
    assert world.accounts(team) == []
    assert world.object_bucket(team, "one") is None


@pytest.mark.timeout(400)
def test_the_api_server_may_be_away(world: World, mortal: Mortal) -> None:
    mortal.start(0)
    team = world.namespace("patient")
    world.claim(team, "before")
    world.bound(team, "before")
    world.claim(team, "during")
    world.api.stop_server()
    time.sleep(AWAY_S)
    world.api.start_server()
    world.bound(team, "during", seconds=90)
    world.claim(team, "after")
    world.bound(team, "after", seconds=90)
    world.delete(team, "before")
    for name in ("during", "after"):
        world.delete(team, name)
    assert world.accounts(team) == []


@pytest.mark.timeout(400)
def test_a_store_may_be_away(world: World, mortal: Mortal, tmp_path: Path) -> None:
    """Claims wait, and say why once; what is to be deleted waits as well, and nothing is forgotten."""
    mortal.start(0)
    team = world.namespace("waiting")
    with serving(tmp_path, drives=2) as store:
        world.secret(NAMESPACE, "late-root-credentials", username=ROOT_USER, password=ROOT_PASSWORD)
        world.storage_class("late", objectStoreName="late", endpoint=store.endpoint)
        world.claim(team, "early", "late")
        world.bound(team, "early")
        store.kill()
        world.claim(team, "one", "late")
        assert "no answer" in world.refused(team, "one", "StoreUnreachable")
        world.delete(team, "early", wait=False)
        world.refused(team, "early", "StoreUnreachable")
        assert (world.get(team, "one"), world.get(team, "early")) != (None, None)
        assert world.get(team, "early")["status"]["phase"] == "Released"
        assert phase(world, team) == "Pending"
        time.sleep(AWAY_S)
        told = [reason for _, reason, _ in world.events(team, "one")]
        assert told == ["StoreUnreachable"]
        store.start()
        world.bound(team, "one", seconds=90)
        world.gone(team, "early")
        world.delete(team, "one")


@pytest.mark.timeout(900)
def test_many_claims_at_once(world: World, mortal: Mortal, capsys: pytest.CaptureFixture[str]) -> None:
    """All bound, each with a bucket, an account and a key of its own."""
    mortal.start(0)
    team, many = world.namespace("crowd"), 200 if FULL else 20
    begun = time.monotonic()
    for number in range(many):
        world.claim(team, f"claim-{number}")
    for number in range(many):
        world.bound(team, f"claim-{number}", seconds=600)
    with capsys.disabled():
        print(f"\n{many} claims bound in {time.monotonic() - begun:.0f} s")
    told = [world.told(team, f"claim-{number}") for number in range(many)]
    assert len({one["BUCKET_NAME"] for one in told}) == len({one["AWS_ACCESS_KEY_ID"] for one in told}) == many
    assert len(world.accounts(team)) == many
    for number in range(many):
        world.delete(team, f"claim-{number}", wait=False)
    for number in range(many):
        world.gone(team, f"claim-{number}", seconds=600)
    assert world.accounts(team) == []
    assert [one for one in world.api.list(SECRET, team) if "AWS_ACCESS_KEY_ID" in one["data"]] == []
