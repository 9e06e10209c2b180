"""The members as one process has them open, and how they change.

`Members.ready` is called under the commit lock before anything is written: it follows what other processes decided,
refuses without a write quorum, and holds an election where one is due. An election levels the members first (what some
have and others lack was committed on some of them and never acknowledged: it becomes whole) and then casts the ballot.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from objstore.catalog import ballots, copying
from objstore.catalog.errors import CatalogFull, Claimed, MirrorFailed, NoAnswer, ReadOnly
from objstore.catalog.hands import opened, together
from objstore.catalog.mirror import Mirror, hangs
from objstore.catalog.redo import Position
from objstore.catalog.replaying import replay
from objstore.catalog.shared import Shared, State
from objstore.drives.drive import DEADLINE, Drive
from objstore.drives.errors import DriveError
from objstore.drives.format import Ballot, Electorate
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState

_log = logging.getLogger(__name__)
_PAUSE = 1.0  # seconds between elections that find no quorum: each costs fsyncs on all drives


class Members:
    """The mirrors that the ballot in force names, leader first. One thread at a time, under the commit lock.

    `leads`: for the process that decides who is in the pool, at most one at a time."""

    def __init__(self, pool: Pool, shared: Shared, *, strict: bool, leads: bool = False) -> None:
        self.pool = pool
        self.shared = shared
        self.strict = strict
        self.leads = leads
        self.mirrors: list[Mirror] = []
        self.absent: dict[str, MirrorFailed] = {}  # members that could not be opened
        self._generation = -1
        self.state = State(Ballot(0, (), (), 0), 0)

    def refresh(self) -> None:
        """Follow a change that another process made, and try again what could not be opened. Cheap when there is
        neither."""
        generation = self.shared.generation
        if generation == self._generation and not self.absent:
            return
        self.state = self.shared.state()
        known = {mirror.id: mirror for mirror in self.mirrors}
        failed = together(dict.fromkeys(self.mirrors, Mirror.check))
        self.mirrors, self.absent = [], {}
        for member in self.state.ballot.members:
            mirror = known.get(member)
            if mirror is not None and mirror not in failed:
                del known[member]
                self.mirrors.append(mirror)
                continue
            try:
                self.mirrors.append(self.open(member))
            except MirrorFailed as error:
                self.absent[member] = error
        for mirror in known.values():
            mirror.close()
        self._generation = generation

    def open(self, member: str) -> Mirror:
        """Open a member's mirror, where those who made it a member found it. Raises MirrorFailed."""
        drive, file = self.pool.by_id(member), self.state.files.get(member)
        if file is None:
            raise MirrorFailed(member, "nobody has seen its file", intact=True)

        def opening() -> Mirror:
            mirror = Mirror(member, Path(file.path), drive, strict=self.strict)
            try:
                mirror.check()
                if mirror.file != file:
                    raise MirrorFailed(member, f"{mirror.path} was replaced")
            except MirrorFailed:
                mirror.close()
                raise
            return mirror

        if drive is not None and drive.state is DriveState.FAULTY:
            raise MirrorFailed(member, f"its drive is faulty: {drive.problem}", intact=True)
        try:
            return opened(member, drive.deadline if drive is not None else DEADLINE, opening)
        except NoAnswer as error:
            hangs(drive, error)
            raise

    def ready(self) -> None:
        """Be sure that the members may be written. Raises ReadOnly."""
        self.refresh()
        self._require_quorum()
        if not self.state.settled:
            # who leads asks again at once: others, who may lack what it knows of drives, could try before it for ever
            if time.monotonic() < self.state.again and not self.leads:
                raise ReadOnly(self.state.read_only or "an election is open", self.state.away)
            self.elect()
        while self.absent or self.shared.unfinished:
            if self.absent:  # one may have failed in the vote itself: nothing is committed without a member
                self.vote_out(self.absent)
            else:  # somebody was killed in the middle of a commit
                self.heal_steps()
                self.shared.finished()

    def _require_quorum(self) -> None:
        if reason := ballots.shortfall(self.pool):
            self.refuse(reason)

    def refuse(self, reason: str, *, pause: float = 0.0) -> NoReturn:
        """Note for everybody that nothing can be written, and raise ReadOnly; `pause` seconds until the next try."""
        missing = ballots.away(self.pool)
        if (reason, missing) != (self.state.read_only, self.state.away):
            _log.error("the catalog is read-only: %s; away: %s", reason, ", ".join(missing) or "none")
        if pause or (reason, missing) != (self.state.read_only, self.state.away):
            again = time.monotonic() + pause
            self.shared.save(msgspec.structs.replace(self.state, read_only=reason, away=missing, again=again))
            self.refresh()
        raise ReadOnly(reason, missing)

    # --- changes

    def vote_out(self, failures: dict[str, MirrorFailed]) -> None:
        """Go on without the members that failed. Raises ReadOnly where nobody is left or the quorum is gone."""
        for failure in failures.values():
            _log.warning("%s", failure)
        left = [mirror for mirror in self.mirrors if mirror.id not in failures]
        if not left:
            self.refuse("no mirror of the catalog can be written")
        if all(failure.full for failure in failures.values()) and not any(map(self._has_room, left)):
            full = [str(mirror.path.parent) for mirror in self.mirrors]
            raise CatalogFull("the drives that hold the catalog are full", full)
        self.change(left)
        for failure in failures.values():
            if not failure.intact:
                self._remove(failure.drive)

    def _has_room(self, mirror: Mirror) -> bool:
        """Whether the drive of a mirror has room, as of now."""
        drive = self.pool.by_id(mirror.id)
        try:
            return drive is not None and drive.run(drive.measure).spare > 0
        except DriveError:
            return False

    def _remove(self, member: str) -> None:
        """A mirror in doubt goes, so that nobody ever continues it: a copy will take its place."""
        drive = self.pool.by_id(member)
        if drive is not None and member not in self.state.ballot.members:
            with contextlib.suppress(DriveError, Claimed):
                drive.run(self._claim_and_remove, drive)

    def _claim_and_remove(self, drive: Drive) -> None:
        with self.shared.claim(drive.id or ""):
            copying.remove(drive.path, drive.system)

    def elect(self) -> None:
        """Level the members that can be used and make them the members of a new epoch. Raises ReadOnly."""
        levelled = self.level()
        if not levelled:
            self.refuse("no mirror of the catalog can be read")
        self.change(levelled)

    def change(self, mirrors: Sequence[Mirror], wanted: Electorate | None = None) -> None:
        """Put a ballot of a new epoch in force for `mirrors`, the leader first; all must stand at one place. Another
        electorate is `wanted`, or the one of now.

        Raises ReadOnly: then nothing commits until an election succeeds."""
        if not mirrors:
            self.refuse("no mirror of the catalog can be written")
        named = [mirror.id for mirror in mirrors]
        self._cast(ballots.succeeding(self.pool, self.state.ballot, named, wanted, leads=self.leads), mirrors)
        if self.state.ballot.before is not None:  # both electorates have agreed: from now on the new one decides alone
            self._cast(msgspec.structs.replace(self.state.ballot, before=None), mirrors)

    def _cast(self, ballot: Ballot, mirrors: Sequence[Mirror]) -> None:
        before = self.state
        noted = [vote.epoch for vote in ballots.ask(self.pool).values()]
        new = msgspec.structs.replace(ballot, epoch=max(before.tried, before.ballot.epoch, *noted) + 1)
        # from here on nobody may commit under the old epoch: some drives may already know the new one
        self.state = msgspec.structs.replace(before, tried=new.epoch)
        self.shared.save(self.state)
        if not ballots.cast(self.pool, new):
            self._require_quorum()  # drives that have gone are only now known to be
            self.refuse(
                f"fewer than {self.pool.write_quorum} of {len(self.pool.drives)} drives took the vote", pause=_PAUSE
            )
        self.shared.save(State(new, new.epoch, {mirror.id: mirror.file for mirror in mirrors}))
        self.refresh()
        _log.info("catalog epoch %d: %s", new.epoch, ", ".join(new.members))

    def level(self, reach: int | None = None) -> list[Mirror]:
        """Bring all members that can be used, and lag by at most `reach`, to the same place; leader first.

        The one furthest ahead is right: what is acknowledged is on every member. It is spread to all others before the
        leader commits it, as in any commit, so readers never see what a member lacks."""
        standing = self._standing()
        if not standing:
            return []
        furthest = max(position.seq for position in standing.values())
        source = next(mirror for mirror in standing if standing[mirror].seq == furthest)
        level = {source}
        for mirror in reversed(standing):
            try:
                if standing[mirror][1:3] != standing[source][1:3]:
                    if reach is not None and furthest - standing[mirror].seq > reach:
                        raise MirrorFailed(mirror.id, f"lost transactions: stands at {standing[mirror].seq}")
                    replay(mirror, source)
                level.add(mirror)
            except MirrorFailed as error:
                _log.warning("%s", error)
        return [mirror for mirror in standing if mirror in level]

    def _standing(self) -> dict[Mirror, Position]:
        """Where the members that answer stand, in their order."""
        found: dict[Mirror, Position] = {}

        def look(mirror: Mirror) -> None:
            mirror.check()
            found[mirror] = mirror.position()

        failures = together(dict.fromkeys(self.mirrors, look))
        for failure in failures.values():
            _log.warning("%s", failure)
        return {mirror: found[mirror] for mirror in self.mirrors if mirror not in failures}

    def heal_steps(self) -> None:
        """After OutOfStep: level the members, and go on without those that cannot be levelled. Raises ReadOnly.

        A commit that was cut short leaves them one transaction apart; further apart they never are by themselves."""
        levelled = self.level(reach=1)
        left_out = {mirror.id: MirrorFailed(mirror.id, "cannot be levelled") for mirror in self.mirrors}
        for mirror in levelled:
            del left_out[mirror.id]
        if left_out:
            self.vote_out(left_out)

    def close(self, *, fold: bool = False) -> None:
        """Let go of all mirrors; see `Mirror.close`."""

        def ready(mirror: Mirror) -> None:
            mirror.check()
            mirror.checkpoint()

        failed = together(dict.fromkeys(self.mirrors, ready)) if fold else {}
        for mirror in self.mirrors:
            mirror.close(fold=fold and mirror not in failed)
        self.mirrors, self._generation = [], -1
