"""An administrator: asks the admin API, while clients work, for what moves bytes and for what reads all of them.

Whatever is asked may be refused or go unanswered, for drives are away and processes die. What was begun goes on by
itself; `settle` sees to its end when all is well again.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from objstore.client import ADMIN, Connection, StoreRefused, StoreUnreachable, ask, follow
from tests.faults.cluster import remove
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.torture import sealed
from tests.torture.history import Record
from tests.torture.plan import Action

SETTLE_SECONDS = 120.0
_POLL = 0.25
Answer = dict[str, Any]


class Moves:
    """What is asked of the server. `done` counts it by name, and appends that were seen to be restriped; `refused` what
    was not done, and why."""

    def __init__(self, server: Running, spare: Path, record: Record) -> None:
        self._server = server
        self._spare = spare
        self._record = record
        self._spare.mkdir(exist_ok=True)
        self._leaving: Path | None = None
        """The drive whose place the spare one is to have."""
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._walked = 0
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def begin(self, moves: Sequence[Action]) -> None:
        """Ask for one after the other, from now on, until `end`."""
        self._stop.clear()
        self._threads = [
            threading.Thread(target=self._work, args=(moves, time.monotonic()), daemon=True),
            threading.Thread(target=self._watch, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Ask for nothing more; wait for what was asked."""
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
            if thread.is_alive():
                self._record.violation("the administrator still waits after 90 seconds")

    def settle(self, parity: int) -> None:
        """Bring everything that is under way to its end, and all bytes to `parity`: the drives are whole.

        A snapshot of the catalog keeps the parity that it was taken with, so another takes its place."""
        for drive in self._drives().values():
            if drive["stage"] == "draining" and drive["path"] != str(self._leaving):
                self._insist("keep it", lambda drive=drive: self._change("PUT", drive=drive["path"], action="keep"))  # type: ignore[misc]
        self._settle_exchange()
        self._insist("change the parity", lambda: self._ask("PUT", "parity", parity=str(parity)))
        wanted = {"parity": parity, "wanted": None}
        self._until("the parity is in force", lambda: self._ask("GET", "parity"), lambda told: told == wanted)
        self._insist("restripe", lambda: self._ask("POST", "restripe"))
        self._until("all is restriped", self._look, lambda walk: walk is None)
        asked = self._insist("take a snapshot", lambda: self._ask("POST", "catalog/snapshots"))["asked_us"]
        self._until(
            "a snapshot of the catalog is taken",
            lambda: self._ask("GET", "catalog/snapshots")["snapshots"],
            lambda found: any(one["taken_us"] >= asked for one in found),
        )
        self._until(
            f"any {parity} drives may fail",
            lambda: self._ask("GET", "info"),
            lambda now: now["may_fail"] >= parity and all(one["stage"] is None for one in now["drives"]),
        )
        for told in follow(self._connection, f"{ADMIN}/verify"):
            for problem in told["report"]["problems"][:20] if "report" in told else ():
                self._record.violation(f"a running server's verify: {problem}")

    def lose(self, position: int) -> None:
        """Let the spare drive join, lose another one for good, and have it removed as it is: all is whole otherwise."""
        drive = self._server.drives[position]
        self.clear()
        self._insist("add a drive", lambda: self._change("POST", path=str(self._spare)))
        self._until("it has joined", lambda: self._drives().get(self._spare), lambda one: one and one["stage"] is None)
        remove(drive)
        self._insist("accept the loss", lambda: self._change("DELETE", drive=str(drive), accept_loss="true"))
        self._until("it is no drive any more", lambda: drive in self._drives(), lambda there: not there)
        self._server.drives[position], self._spare = self._spare, drive

    def clear(self) -> None:
        """Empty the spare drive's folder: no server has it."""
        shutil.rmtree(self._spare, ignore_errors=True)
        self._spare.mkdir()

    def make_key(self) -> None:
        """Make the key that some objects are encrypted with, if it is not there."""
        known = self._insist("tell the keys", lambda: self._ask("GET", "kms/keys"))["keys"]
        if all(one["name"] != sealed.KMS_KEY for one in known):
            self._insist("make a key", lambda: self._ask("PUT", "kms/keys", name=sealed.KMS_KEY))

    # one after the other

    def _work(self, moves: Sequence[Action], began: float) -> None:
        with ThreadPoolExecutor(4) as pool:  # what takes long holds nothing else up
            for move in moves:
                if self._stop.wait(max(0.0, began + move.at - time.monotonic())):
                    return
                pool.submit(self._do, move, None if move.drive is None else self._server.drives[move.drive])

    def _do(self, move: Action, drive: Path | None) -> None:
        what, _, number = move.what.partition(" ")
        name = what if number.isdecimal() else move.what
        method = getattr(self, "_" + name.replace(" ", "_"))
        try:
            method(*([drive] if drive is not None else [int(number)] if number.isdecimal() else []))
            self.done[name] += 1
        except StoreUnreachable:
            self.refused[f"{name}: no answer"] += 1
        except StoreRefused as error:
            self.refused[f"{name}: {error.code or error.status}"] += 1
            if error.status == 500:
                self._record.violation(f"the administrator's {move} was answered: {error}")
        except Exception as error:
            self._record.violation(f"the administrator's {move} failed: {error!r}")

    def _watch(self) -> None:
        while not self._stop.wait(_POLL):
            try:
                self._look()
            except (StoreUnreachable, StoreRefused):
                continue

    def _look(self) -> Answer | None:
        """How far restriping is; what it has written is counted."""
        walk: Answer | None = self._ask("GET", "restripe")["restriping"]
        moved = 0 if walk is None else walk["moved"]
        self.done["appends restriped"] += max(0, moved - self._walked)
        self._walked = moved
        return walk

    # what is asked for

    def _restripe(self) -> None:
        self._ask("POST", "restripe")

    def _parity(self, parity: int) -> None:
        self._ask("PUT", "parity", parity=str(parity))

    def _snapshot(self) -> None:
        self._ask("POST", "catalog/snapshots")

    def _scrub(self) -> None:
        """Begin a round; it goes on when nobody listens."""
        for _ in follow(self._connection, f"{ADMIN}/scrub"):
            return

    def _verify(self) -> None:
        """Drives come to harm meanwhile, so that it finds something is no wonder."""
        for told in follow(self._connection, f"{ADMIN}/verify"):
            if "report" in told or self._stop.is_set():
                return

    def _rotate(self) -> None:
        """New versions of keys, and what older ones sealed is sealed under these."""
        for name in (sealed.KMS_KEY, "SSE-S3"):
            self._ask("POST", "kms/keys", name=name, action="rotate")
            after: dict[str, str] | None = {}
            while after is not None and not self._stop.is_set():
                page = self._ask("POST", "kms/rewrap", name=name, **after)
                self.done["records rewrapped"] += page["rewrapped"]
                after = {"after": page["next"]} if page["next"] else None

    def _drain(self, drive: Path) -> None:
        self._change("PUT", drive=str(drive), action="drain")

    def _keep(self, drive: Path) -> None:
        self._change("PUT", drive=str(drive), action="keep")

    def _replace(self, drive: Path) -> None:
        self._leaving = drive
        self._change("POST", path=str(self._spare), replaces=str(drive))

    def _add(self, drive: Path) -> None:
        self._leaving = drive
        self._change("POST", path=str(self._spare))

    def _let_go(self, drive: Path) -> None:
        self._change("PUT", drive=str(drive), action="drain", remove="true")

    # at the end

    def _settle_exchange(self) -> None:
        """Where the spare drive was added, or another one has begun to leave, see that they change places."""
        leaving, self._leaving = self._leaving, None
        if leaving is None:
            return

        def further() -> bool:
            now = self._drives()
            new, old = now.get(self._spare), now.get(leaving)
            if new is None:
                if old is not None and old["stage"] is None:
                    return True
                self._change("POST", path=str(self._spare))
            elif new["stage"] is None and old is not None and old["stage"] is None:
                self._change("PUT", drive=str(leaving), action="drain", remove="true")
            return new is not None and new["stage"] is None and old is None

        self._until("drives have changed places", further, bool)
        if self._spare in self._drives():
            self._server.drives[self._server.drives.index(leaving)] = self._spare
            self._spare = leaving
            self.done["drives exchanged"] += 1

    def _insist(self, what: str, question: Callable[[], Answer]) -> Answer:
        """Ask until it is done."""
        found: Answer = self._until(what, question, lambda _: True)
        return found

    def _until(self, what: str, look: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
        deadline, seen = time.monotonic() + SETTLE_SECONDS, None
        while time.monotonic() < deadline:
            try:
                if good(seen := look()):
                    return seen
            except (StoreUnreachable, StoreRefused) as error:
                seen = error
            time.sleep(_POLL)
        raise AssertionError(f"not within {SETTLE_SECONDS:g} s: {what}; last: {seen}")

    # asking

    @property
    def _connection(self) -> Connection:
        return Connection(self._server.endpoint, ROOT_USER, ROOT_PASSWORD)

    def _ask(self, method: str, page: str, **given: str) -> Answer:
        answer: Answer = ask(self._connection, f"{ADMIN}/{page}?{urlencode(given)}", method)
        return answer

    def _change(self, method: str, **given: str) -> Answer:
        return self._ask(method, "drives", **given)

    def _drives(self) -> dict[Path, Answer]:
        """All drives by their folders. Raises AssertionError."""
        told = self._until("the drives are told", lambda: self._ask("GET", "drives"), lambda _: True)
        return {Path(one["path"]): one for one in told["drives"]}
