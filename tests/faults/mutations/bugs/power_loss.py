"""Tests that notice bugs of several rooms: what a power loss leaves."""

DURABLE = "tests/faults/test_power_loss.py::test_an_acknowledged_write_is_durable_at_once"
STARTED = "tests/faults/test_power_loss.py::test_a_first_start_that_is_cut_short_is_finished"
LOST = "tests/faults/test_power_loss.py::test_losing_power_while_a_member_is_replaced"
