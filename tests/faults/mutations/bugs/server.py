"""Bugs of `server/`."""

from __future__ import annotations

from tests.faults.mutations.bugs.bug import Bug

BUGS = (
    Bug(
        "clients wait for a process that a disk keeps in the kernel",
        "objstore/server/kept.py",
        "        _hang_up()\n        told()\n",
        "        told()\n",
        ("tests/faults/test_frozen.py::test_a_process_that_cannot_be_killed_is_left_behind",),
    ),
    Bug(
        "whether a drive has joined is asked before it leaves, and not as it does",
        "objstore/server/drives.py",
        "            if drive in node.catalog.ballot().drives:",
        "            if drive in ballot.drives:",
        ("tests/faults/test_joining.py::test_a_drive_does_not_leave_because_it_had_no_vote_when_that_was_asked_for",),
    ),
    Bug(
        "nothing is spread as long as a drive is drained and stays",
        "objstore/server/janitor.py",
        "        while not emptying and proceed()",
        "        while not draining and proceed()",
        ("tests/faults/test_growing.py::test_a_drive_is_added_and_filled_and_another_one_drained_and_removed",),
    ),
    Bug(
        "a drive that is about to be replaced counts as one that stays",
        "objstore/store/membership.py",
        "    going |= {course.replaces for drive, course in found.items() if drive in voters}\n",
        "",
        (
            "tests/faults/test_joining.py"
            "::test_of_two_drives_one_is_not_drained_while_the_other_is_about_to_be_replaced",
        ),
    ),
    Bug(
        "a drive that was made in a lost one's place is left aside when the host stopped meanwhile",
        "objstore/server/slots.py",
        " or _never_voted(one, voters):\n",
        ":\n",
        ("tests/catalog/test_lost_drives.py",),
    ),
    Bug(
        "a drive that came later is kept from other servers by nobody",
        "objstore/server/holds.py",
        "        if new is DriveState.ONLINE:\n            self.hold(drive)\n",
        "        if new is DriveState.ONLINE:\n            pass\n",
        ("tests/server/test_janitor.py",),
    ),
    Bug(
        "mirrors that contradict each other are not compared before their day",
        "objstore/server/janitor.py",
        "        if catalog.doubted or (",
        "        if (",
        ("tests/faults/test_damaged_mirrors.py::test_two_mirrors_that_contradict_each_other",),
    ),
    Bug(
        "mirrors are not compared by themselves",
        "objstore/server/janitor.py",
        "        if catalog.doubted or (due and self._node.read_only_reason() is None):",
        "        if catalog.doubted:",
        ("tests/faults/test_damaged_mirrors.py::test_mirrors_are_compared_every_day",),
    ),
)
