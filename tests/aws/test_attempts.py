"""Who fails to prove who it is: how often, from where, with which key, and whom that never holds up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from objstore.aws import attempts
from objstore.aws.attempts import Attempts, networks
from objstore.aws.errors import AwsError
from objstore.aws.principal import Credential
from tests.aws.requests import ALICE

HERE, THERE = "192.0.2.1", "192.0.2.2"
BURST = 5
KEYS = {"alice": Credential("alice", "secret", ALICE), "bob": Credential("bob", "secret", ALICE)}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[tuple[bool, str]]:
    return []


@pytest.fixture
def all_of_them(clock: Clock, told: list[tuple[bool, str]]) -> Attempts:
    return Attempts(1.0, BURST, told=lambda *heard: told.append(heard), clock=clock)


def attempt(of: Attempts, client: str, key: str, *, right: bool) -> tuple[str, int]:
    """The code of the answer, "" for a good one; and its Retry-After."""
    try:
        with of.of(client, KEYS.get) as one:
            if one.credentials(key) is None:
                raise AwsError("InvalidAccessKeyId")
            if not right:
                raise AwsError("SignatureDoesNotMatch")
    except AwsError as error:
        return error.code, int(error.headers.get("retry-after", 0))
    return "", 0


def wrong(of: Attempts, client: str = HERE, key: str = "alice", times: int = 1) -> list[str]:
    return [attempt(of, client, key, right=False)[0] for _ in range(times)]


def right(of: Attempts, client: str = HERE, key: str = "alice") -> str:
    return attempt(of, client, key, right=True)[0]


def test_a_burst_is_answered_then_secrets_cannot_be_tried(all_of_them: Attempts, clock: Clock) -> None:
    assert wrong(all_of_them, times=BURST + 2) == ["SignatureDoesNotMatch"] * BURST + ["SlowDown"] * 2
    assert right(all_of_them) == "SlowDown", "the one who guesses does not learn that a guess was right"
    clock.now += 1.0
    assert attempt(all_of_them, HERE, "alice", right=False) == ("SignatureDoesNotMatch", 0)
    assert attempt(all_of_them, HERE, "alice", right=False) == ("SlowDown", 1)
    clock.now += 3600.0
    assert wrong(all_of_them, times=BURST + 1).count("SlowDown") == 1, "no more than a burst is saved up"


def test_others_are_not_held_up(all_of_them: Attempts) -> None:
    wrong(all_of_them, times=50)
    assert right(all_of_them, key="bob") == "", "behind the same address, by another key"
    assert right(all_of_them, THERE) == "", "from elsewhere, by the same key"


def test_who_signed_rightly_before_is_not_held_up_by_a_neighbour_with_a_wrong_secret(all_of_them: Attempts) -> None:
    assert right(all_of_them) == ""
    answers = wrong(all_of_them, times=20)
    assert answers == ["SignatureDoesNotMatch"] * BURST + ["SlowDown"] * 15
    assert right(all_of_them) == ""
    wrong(all_of_them, times=round(BURST / attempts.KNOWN_SHARE))
    assert right(all_of_them) == "SlowDown", "there too, secrets cannot be tried without end"


def test_a_right_use_is_remembered_for_a_day(all_of_them: Attempts, clock: Clock) -> None:
    right(all_of_them)
    clock.now += attempts.REMEMBERED + 1
    wrong(all_of_them, times=BURST)
    assert right(all_of_them) == "SlowDown"


def test_keys_that_are_not_there_are_counted_by_address(all_of_them: Attempts) -> None:
    names = [f"key-{number}" for number in range(BURST + 3)]
    answers = [attempt(all_of_them, HERE, name, right=False)[0] for name in names]
    assert answers == ["InvalidAccessKeyId"] * BURST + ["SlowDown"] * 3
    assert right(all_of_them) == ""


def test_what_is_wrong_with_a_request_beside_its_signature_is_not_counted(all_of_them: Attempts) -> None:
    for _ in range(50):
        with contextlib.suppress(AwsError), all_of_them.of(HERE, KEYS.get) as one:
            one.credentials("alice")
            raise AwsError("RequestTimeTooSkewed")
    assert wrong(all_of_them) == ["SignatureDoesNotMatch"]


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.7", ["192.0.2.7"]),
        ("::ffff:192.0.2.7", ["192.0.2.7"]),
        ("2001:db8:1:2:3:4:5:6", ["2001:db8:1:2::/64", "2001:db8:1::/48"]),
        ("fe80::1%eth0", ["fe80::/64", "fe80::/48"]),
        (None, [""]),
        ("/run/socket", ["/run/socket"]),
    ],
)
def test_networks(client: str | None, expected: list[str]) -> None:
    assert [name for name, _ in networks(client)] == expected


def rotating(count: int, prefix: str) -> Iterator[str]:
    return (prefix.format(number) for number in range(count))


def test_addresses_of_one_customer_count_as_one(all_of_them: Attempts) -> None:
    answers = [wrong(all_of_them, one)[0] for one in rotating(20, "2001:db8:1:2::{:x}")]
    assert answers.count("SignatureDoesNotMatch") == BURST
    assert right(all_of_them, "2001:db8:1:2::ffff") == "SlowDown"
    assert right(all_of_them, "2001:db8:1:3::1") == "", "the next customer"


def test_who_has_many_such_networks_is_slowed_down_as_well(all_of_them: Attempts) -> None:
    answers = [wrong(all_of_them, one)[0] for one in rotating(500, "2001:db8:1:{:x}::1")]
    assert answers.count("SignatureDoesNotMatch") == BURST / attempts.WIDE_SHARE
    assert right(all_of_them, "2001:db8:2::1") == ""


def test_memory_is_bounded(all_of_them: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST_KEPT", 100)
    for number in range(1000):
        client = f"10.0.{number // 250}.{number % 250}"
        wrong(all_of_them, client)
        right(all_of_them, client, "bob")
    kept = all_of_them._all._buckets, all_of_them._keys._buckets, all_of_them._known
    assert [len(one) for one in kept] == [100, 100, 100]


def test_every_failure_is_told(all_of_them: Attempts, told: list[tuple[bool, str]]) -> None:
    wrong(all_of_them, times=BURST + 2)
    right(all_of_them, key="bob")
    assert told == [(False, HERE)] * BURST + [(True, HERE)] * 2


def test_no_limit() -> None:
    unlimited = Attempts(0, 1)
    assert set(wrong(unlimited, times=1000)) == {"SignatureDoesNotMatch"}
    assert right(unlimited) == ""
