"""Who interrupts whom where there is more to do than there are processors. Each case in a process of its own: what is
said once holds for all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these policies")

_THREADS = """
import os, sys, threading
from objstore.catalog.hands import Hand
from objstore.drives.system import SYSTEM
from objstore.drives.turns import be_patient
from pathlib import Path
from tests.drives.faults import new_drive

def of_a_thread():
    found = []
    one = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))
    one.start()
    one.join()
    return found[0]

os.sched_setscheduler(0, int(sys.argv[1]), os.sched_param(0))
be_patient()
drive, hand = new_drive(Path(sys.argv[2]), SYSTEM), Hand("mirror")
print(os.sched_getscheduler(0), of_a_thread(), hand.submit(lambda: os.sched_getscheduler(0)).result(10),
      drive.run(os.sched_getscheduler, 0))
"""


def _policies(folder: Path, policy: int) -> list[int]:
    command = [sys.executable, "-c", _THREADS, str(policy), str(folder / "drive")]
    return [int(one) for one in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()]


def test_a_loop_interrupts_nobody_and_those_it_waits_for_do(tmp_path: Path) -> None:
    ordinary, patient = os.SCHED_OTHER, os.SCHED_BATCH
    assert _policies(tmp_path, ordinary) == [patient, patient, ordinary, ordinary]


def test_a_policy_that_the_process_was_started_with_stays(tmp_path: Path) -> None:
    assert _policies(tmp_path, os.SCHED_IDLE) == [os.SCHED_IDLE] * 4
