"""What is to be done with the versions of one key, and when to look at it next: a pure function of rules and versions.

Several rules may apply to a version. Deleting goes before changing the class; of several classes that are due, the one
due last wins.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from objstore.store.lifecycle.rules import DAY, SMALL, VARIES, Lifecycle, Rule
from objstore.store.types import Upload, Version


@dataclass(frozen=True, slots=True)
class Standing:
    """A version among those of its key. `since_us` is when it was replaced, None for the current one; `newer` counts
    the noncurrent versions newer than it; `alone` says that its key has no other version."""

    version: Version
    since_us: int | None = None
    newer: int = 0
    alone: bool = False


@dataclass(slots=True)
class Plan:
    """What is due now: current versions to expire (`expire`), versions and markers to remove for good, classes to
    change, uploads to abort. `next_us` is when something else will be due; None for never."""

    expire: list[Version] = field(default_factory=list)
    remove: list[Version] = field(default_factory=list)
    move: list[tuple[Version, str]] = field(default_factory=list)
    abort: list[Upload] = field(default_factory=list)
    next_us: int | None = None

    def later(self, due_us: int) -> None:
        """Note that something will be due."""
        self.next_us = due_us if self.next_us is None else min(self.next_us, due_us)


def plan(lifecycle: Lifecycle, key: str, versions: Iterable[Standing], uploads: Sequence[Upload], now_us: int) -> Plan:
    """Plan for a key."""
    found = Plan()
    rules = [rule for rule in lifecycle.rules if rule.covers(key)]
    for one in versions:
        version = one.version
        due = _removal(lifecycle, rules, key, one)
        if due is not None and due <= now_us:
            (found.expire if one.since_us is None and not version.delete_marker else found.remove).append(version)
            continue
        if due is not None:
            found.later(due)
        if not version.delete_marker:
            _plan_class(found, lifecycle, rules, key, one, now_us)
    for upload in uploads:
        due = _abortion(lifecycle, rules, upload)
        if due is not None and due <= now_us:
            found.abort.append(upload)
        elif due is not None:
            found.later(due)
    return found


def _removal(lifecycle: Lifecycle, rules: Iterable[Rule], key: str, one: Standing) -> int | None:
    """When the version is due to be removed or expired: the earliest that any rule says."""
    version = one.version
    dues: list[int] = []
    for rule in rules:
        if not rule.applies(key, version.size, version.tags):
            continue
        if one.since_us is not None:
            expiration = rule.noncurrent_version_expiration
            if expiration is not None and one.newer >= (expiration.newer_noncurrent_versions or 0):
                dues.append(lifecycle.after(one.since_us, expiration.noncurrent_days))
        elif rule.expiration is not None and (not version.delete_marker or one.alone):
            due = lifecycle.when(rule.expiration.days, rule.expiration.date, version.modified_us)
            if version.delete_marker and rule.expiration.expired_object_delete_marker:
                due = lifecycle.after(version.modified_us, 0)
            if due is not None:
                dues.append(due)
    return min(dues, default=None)


def _plan_class(found: Plan, lifecycle: Lifecycle, rules: Iterable[Rule], key: str, one: Standing, now_us: int) -> None:
    """The class that a version is to have, of those due the one due last; and when the next is due."""
    version = one.version
    best: tuple[int, str] | None = None
    for rule in rules:
        if not rule.applies(key, version.size, version.tags):
            continue
        small = version.size < SMALL and not rule.names_size
        if small and lifecycle.transition_default_minimum_object_size != VARIES:
            continue
        for due, storage_class in _changes(lifecycle, rule, one):
            if due > now_us:
                found.later(due)
            elif best is None or due >= best[0]:
                best = due, storage_class
    if best is not None and best[1] != version.storage_class:
        found.move.append((version, best[1]))


def _changes(lifecycle: Lifecycle, rule: Rule, one: Standing) -> Iterable[tuple[int, str]]:
    if one.since_us is None:
        for transition in rule.transitions:
            due = lifecycle.when(transition.days, transition.date, one.version.modified_us)
            if due is not None:
                yield due, transition.storage_class
        return
    for change in rule.noncurrent_version_transitions:
        if one.newer >= (change.newer_noncurrent_versions or 0):
            yield lifecycle.after(one.since_us, change.noncurrent_days), change.storage_class


def _abortion(lifecycle: Lifecycle, rules: Iterable[Rule], upload: Upload) -> int | None:
    aborts = (rule.abort_incomplete_multipart_upload for rule in rules)
    dues = [lifecycle.after(upload.initiated_us, abort.days_after_initiation) for abort in aborts if abort is not None]
    return min(dues, default=None)


def earliest(lifecycle: Lifecycle, key: str, now_us: int, *, alone: bool = False) -> int | None:
    """When a key that was written now must be looked at first, judged by the key alone; None for never.

    Never later than what `plan` would say of what was written, or of what it replaced. `alone`: it replaced nothing.
    """
    dues: list[int | None] = []
    for rule in lifecycle.rules:
        if not rule.covers(key):
            continue
        if (expiration := rule.expiration) is not None:
            dues.append(lifecycle.when(expiration.days, expiration.date, now_us))
            if alone and expiration.expired_object_delete_marker:
                dues.append(lifecycle.after(now_us, 0))
        dues += [lifecycle.when(transition.days, transition.date, now_us) for transition in rule.transitions]
        # where newer versions are counted, one more may make an old one due at once
        for change in (rule.noncurrent_version_expiration, *rule.noncurrent_version_transitions):
            if change is not None:
                dues.append(lifecycle.after(now_us, 0 if change.newer_noncurrent_versions else change.noncurrent_days))
    return min((due for due in dues if due is not None), default=None)


def earliest_upload(lifecycle: Lifecycle, key: str, now_us: int) -> int | None:
    """When a key whose upload began now must be looked at for it; None for never."""
    aborts = (rule.abort_incomplete_multipart_upload for rule in lifecycle.rules if rule.covers(key))
    dues = [lifecycle.after(now_us, abort.days_after_initiation) for abort in aborts if abort is not None]
    return min(dues, default=None)


def abortion_of(lifecycle: Lifecycle, upload: Upload) -> tuple[int, str] | None:
    """When the rules have an upload aborted, with real days, and the id of the rule that does; None for never."""
    real = msgspec.structs.replace(lifecycle, day=DAY)
    found = [
        (real.after(upload.initiated_us, rule.abort_incomplete_multipart_upload.days_after_initiation), rule.id)
        for rule in lifecycle.rules
        if rule.covers(upload.key) and rule.abort_incomplete_multipart_upload is not None
    ]
    return min(found, default=None)


def expiration_of(lifecycle: Lifecycle, key: str, version: Version) -> tuple[int, str] | None:
    """When the rules let a current version expire, and the id of the rule that does; None when none does.

    This is what clients are told, so days are real ones.
    """
    real = msgspec.structs.replace(lifecycle, day=DAY)
    found: list[tuple[int, str]] = []
    for rule in lifecycle.rules:
        if rule.expiration is not None and rule.applies(key, version.size, version.tags):
            due = real.when(rule.expiration.days, rule.expiration.date, version.modified_us)
            if due is not None:
                found.append((due, rule.id))
    return min(found, default=None)
