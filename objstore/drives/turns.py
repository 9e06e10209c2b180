"""Whose turn it is where there is more to do than there are processors.

The event loop of a busy process always finds more to do; the threads that write, sync and commit have little, and all
requests wait for them. So the loop takes its turns without interrupting anybody when it wakes up (SCHED_BATCH of
Linux's scheduler, sched(7)), and those threads do interrupt. It changes nothing while a processor is free.
"""

from __future__ import annotations

import contextlib
import os

_ORDINARY = getattr(os, "SCHED_OTHER", None)  # Linux alone has them
_PATIENT = getattr(os, "SCHED_BATCH", None)
_changed = False


def be_patient() -> None:
    """Let this thread, and those that it will start, interrupt nobody. Whoever started the process with a policy of
    its own keeps that."""
    global _changed
    if _PATIENT is not None:
        _changed = _become(_PATIENT, instead_of=_ORDINARY)


def be_prompt() -> None:
    """Let this thread run as soon as there is something to do, though it was started by one that is patient."""
    if _changed and _ORDINARY is not None:
        _become(_ORDINARY, instead_of=_PATIENT)


def _become(policy: int, *, instead_of: int | None) -> bool:
    with contextlib.suppress(OSError):  # a sandbox may forbid it, and it is not worth failing for
        if os.sched_getscheduler(0) == instead_of:
            os.sched_setscheduler(0, policy, os.sched_param(0))
            return True
    return False
