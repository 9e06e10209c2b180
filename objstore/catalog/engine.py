"""The one way in which anything is committed to the mirrors.

Under the commit lock: the functions of a batch run on the leader while what they write is recorded; the same statements
run on the other members in parallel; those commit, then the leader commits, then it is acknowledged. So what a reader
of the leader sees is on every member. A member that fails before anything was committed is voted out and the batch runs
again; one that fails in the middle is voted out before the leader commits. Where that vote finds no quorum, the
transaction is on some members only: the caller hears Undecided, and the election that ends it makes it whole. All of
this runs on the mirrors' own threads, with deadlines: a disk that hangs does not hold the lock.

Where a statement does something else on a member than on the leader, one of them holds what it should not, such as a
page that a drive never wrote. Those that agree with most are believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from objstore.catalog import redo
from objstore.catalog.errors import (
    CatalogError,
    Contradiction,
    CorruptRecord,
    Differs,
    MirrorFailed,
    OutOfStep,
    ReadOnly,
    Undecided,
)
from objstore.catalog.hands import attend, together
from objstore.catalog.members import Members
from objstore.catalog.mirror import FAULTS, Mirror
from objstore.catalog.pages import is_damage
from objstore.catalog.redo import Step
from objstore.catalog.session import Recorder
from objstore.catalog.transaction import Transaction
from objstore.counting import are, number_of

Function = Callable[[Transaction], Any]
Outcome = tuple[Any, BaseException | None]


class _Failed(Exception):
    """Members failed before anything was committed."""

    def __init__(self, failures: dict[Mirror, MirrorFailed]) -> None:
        super().__init__()
        self.failures = failures


def commit(members: Members, functions: Sequence[Function]) -> list[Outcome]:
    """Run the functions in one commit; for each its result or its exception. Under the commit lock.

    Raises ReadOnly: nothing of any function is in force. Raises Undecided: see there."""
    relieved = False
    for _ in range(2 * len(members.pool.drives) + 2):
        members.ready()
        try:
            return _attempt(members, functions)
        except _Failed as failed:
            failures = failed.failures
            if any(isinstance(failure, OutOfStep) for failure in failures.values()):
                members.heal_steps()
            elif not relieved and all(failure.full for failure in failures.values()):
                relieved = True
                together(dict.fromkeys(failures, Mirror.make_room))
            else:
                members.vote_out({mirror.id: failure for mirror, failure in failures.items()})
    raise CatalogError("the members of the catalog keep failing")


def define(members: Members, statements: Sequence[str]) -> None:
    """Commit statements that change the schema, as one transaction. Under the commit lock."""

    def run(tx: Transaction) -> None:
        assert isinstance(tx, Recorder)
        for sql in statements:
            tx.define(sql)

    for _, error in commit(members, [run]):
        if error is not None:
            raise error


def _attempt(members: Members, functions: Sequence[Function]) -> list[Outcome]:
    leader, *others = members.mirrors
    assert {mirror.id for mirror in members.mirrors} == {*members.state.ballot.members}, "a commit is on every member"
    batch = _Batch(members, functions)
    try:
        step = attend(leader, batch.run, batch.progress)
    except MirrorFailed as error:
        raise _Failed({leader: error}) from error
    if step is None:
        return batch.outcomes
    try:
        if failures := together({one: lambda mirror: mirror.apply(step) for one in others}):
            raise _Failed(_wrong(members, failures))
    except BaseException:
        for mirror in members.mirrors:
            mirror.rollback()
        raise
    with members.shared.changing(batch.unsteady):
        _publish(members, leader, others, step)
    return batch.outcomes


def _wrong(members: Members, failures: dict[Mirror, MirrorFailed]) -> dict[Mirror, MirrorFailed]:
    """Whom to go on without, after some of the others failed: the leader itself, where more contradict it with one
    voice than agree with it. Raises Contradiction where as many do."""
    leader = members.mirrors[0]
    differing = {mirror: failure for mirror, failure in failures.items() if isinstance(failure, Differs)}
    if not differing:
        return failures
    agreeing = len(members.mirrors) - len(failures)
    (reason, voices), *_ = Counter(failure.reason for failure in differing.values()).most_common(1)
    if voices < agreeing or (voices == agreeing and members.shared.take_settled()):
        return failures
    others = {mirror: failure for mirror, failure in failures.items() if mirror not in differing}
    if voices > agreeing:
        return {
            **others,
            leader: MirrorFailed(leader.id, f"{number_of(voices, 'other mirror')} {are(voices)} against it: {reason}"),
        }
    if others:
        return others
    members.shared.doubt(waited_for=True)
    raise Contradiction(f"as many mirrors contradict drive {leader.id} as agree with it: {reason}")


class _Batch:
    """The functions of one attempt, on the leader."""

    def __init__(self, members: Members, functions: Sequence[Function]) -> None:
        self.outcomes: list[Outcome] = []
        self.unsteady = False  # whether it changes what seldom changes
        self._ballot = members.state.ballot
        self._others = members.mirrors[1:]
        self._functions = functions
        self._recorder: Recorder | None = None

    def progress(self) -> object:
        """Changes as functions end and statements are executed."""
        return len(self.outcomes), len(self._recorder.statements) if self._recorder is not None else 0

    def run(self, leader: Mirror) -> Step | None:
        """Run them in a transaction, which is left open: the step that the others have to do; None, and nothing is
        open, where nothing was written. Raises MirrorFailed."""
        try:
            leader.check()
            leader.begin()
            before = leader.position()
            recorder = self._recorder = Recorder(leader.connection)
            for function in self._functions:
                self.outcomes.append(_run(recorder, leader, self._others, function))
                if leader.abandoned:  # others have gone on without it
                    raise MirrorFailed(leader.id, "came back too late", intact=True)
            if not recorder.statements:
                leader.rollback()
                return None
            self.unsteady = recorder.unsteady
            packed = redo.pack(recorder.statements, recorder.changed)
            after = before.after(self._ballot.epoch, packed, self._ballot.members)
            step = Step(before, after, recorder.statements, recorder.changed, packed)
            with leader.failures():
                leader.stamp(step)
        except BaseException:
            leader.rollback()
            raise
        return step


def _publish(members: Members, leader: Mirror, others: Sequence[Mirror], step: Step) -> None:
    """Commit what is open on all members, the leader last."""

    def publish(mirror: Mirror) -> None:
        mirror.publish(step)

    try:
        if others and (failures := together(dict.fromkeys(others, publish))):
            members.vote_out({mirror.id: failure for mirror, failure in failures.items()})
        if failures := together({leader: publish}):
            members.vote_out({leader.id: failures[leader]})
    except ReadOnly as error:
        leader.rollback()
        raise Undecided(error.reason, error.missing) from error
    except Exception as error:  # whatever it is: some have committed
        for mirror in (leader, *others):
            mirror.rollback()
        raise Undecided(f"{type(error).__name__}: {error}") from error


def _run(recorder: Recorder, leader: Mirror, others: Sequence[Mirror], function: Function) -> Outcome:
    """One function: an exception of its own is its outcome, one of the mirror is raised as MirrorFailed."""
    try:
        return recorder.call(function), None
    except (CorruptRecord, *FAULTS) as error:
        if not isinstance(error, CorruptRecord) and not is_damage(error):
            raise leader.failure(error) from error
        if _works_elsewhere(others, function):
            raise MirrorFailed(leader.id, str(error)) from error
        return None, error
    except BaseException as error:  # of whatever kind: it is this function's alone
        return None, error


def _works_elsewhere(others: Sequence[Mirror], function: Function) -> bool:
    """Whether damage that a function met is this mirror's alone; what is wrong on all is no reason to give one up."""
    for mirror in others:
        try:
            mirror.begin()
            Recorder(mirror.connection).call(function)
            return True
        except (CorruptRecord, MirrorFailed, *FAULTS):
            continue
        except Exception:
            return True
        finally:
            mirror.rollback()
    return False
