"""Session tokens: they open for their own access key alone, unaltered, until their end and that of their origin."""

from __future__ import annotations

import asyncio
import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.errors import AwsError
from objstore.aws.principal import Kind
from objstore.iam.identities import accounts, entities, keys, names, sessions
from objstore.iam.identities.records import Narrowed, Role
from objstore.iam.identities.sessions import Origin, Record, Tokens
from objstore.kms.master import MasterKey
from tests.iam.setting import MASTER, Clock, account, identities, key, user

RECORD = Record(Origin.ROLE, "1", "AROA", 1, 2, "name", ("{}",), tags=(("a", "b"),), keys=(("x:sub", ("y",)),))


def code(function: object, *arguments: object) -> str:
    with pytest.raises(AwsError) as caught:
        function(*arguments)  # type: ignore[operator]
    return caught.value.code


def test_a_token_gives_back_what_was_sealed_and_the_secret_is_not_in_it():
    tokens = Tokens(MASTER)
    made = tokens.issue(RECORD)
    assert tokens.open(made.access_key, made.token) == RECORD
    assert made.access_key.startswith("ASIA") and len(made.secret) == 40
    assert made.secret == tokens.secret(made.access_key) != tokens.issue(RECORD).secret
    assert made.secret not in repr(made) and made.token not in repr(made)


@given(st.data())
def test_an_altered_token_does_not_open(data: st.DataObject):
    tokens = Tokens(MASTER)
    made = tokens.issue(RECORD)
    raw = bytearray(base64.b64decode(made.token))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    assert code(tokens.open, made.access_key, base64.b64encode(raw).decode()) == "InvalidToken"


@given(st.text(max_size=100))
def test_any_text_is_refused(text: str):
    assert code(Tokens(MASTER).open, "ASIAANY", text) == "InvalidToken"


def test_a_token_is_of_no_use_with_another_key_or_master_key():
    tokens = Tokens(MASTER)
    one, other = tokens.issue(RECORD), tokens.issue(RECORD)
    assert code(tokens.open, other.access_key, one.token) == "InvalidToken"
    assert code(Tokens(MasterKey(b"x" * 32)).open, one.access_key, one.token) == "InvalidToken"
    assert code(tokens.open, one.access_key, "A" * (sessions.MOST_BYTES + 4)) == "InvalidToken"


def test_a_session_of_a_role_ends_at_its_time_and_with_its_role():
    clock = Clock()
    found = identities(clock)
    of = account()
    role = Role(of.id, names.new_id("AROA"), "r", "/x/", 0, "{}", tags=(("team", "red"), ("a", "b")))
    asyncio.run(found.write(lambda tx: accounts.add(tx, of)))
    asyncio.run(found.write(lambda tx: entities.add(tx, role)))
    now = int(clock.now)
    record = Record(Origin.ROLE, of.id, role.id, now, now + 900, "me", tags=(("Team", "blue"),))
    made = found.tokens.issue(record)
    credential = found.session(made.access_key, made.token)
    assert credential is not None and credential.secret == made.secret
    caller = credential.principal
    assert caller.arn == f"arn:aws:sts::{of.id}:assumed-role/r/me"
    assert caller.role_arn == f"arn:aws:iam::{of.id}:role/x/r" and caller.kind is Kind.ROLE
    assert dict(caller.tags) == {"a": "b", "Team": "blue"}
    assert found.session(made.access_key, made.token) is credential
    assert code(found.session, made.access_key, made.token[:-4] + "AAA=") == "InvalidToken"
    clock.now += 901
    assert code(found.session, made.access_key, made.token) == "ExpiredToken"
    clock.now -= 901
    asyncio.run(found.write(lambda tx: entities.remove(tx, role)))
    assert code(found.session, made.access_key, made.token) == "InvalidToken"


def test_a_session_of_a_key_ends_with_the_key():
    clock = Clock()
    found = identities(clock)
    of = account()
    alice = user(of)
    made = key(alice)
    for step in (
        lambda tx: accounts.add(tx, of),
        lambda tx: entities.add(tx, alice),
        lambda tx: keys.add(tx, made),
    ):
        asyncio.run(found.write(step))
    now = int(clock.now)
    given_out = found.tokens.issue(Record(Origin.KEY, of.id, made.id, now, now + 900))
    credential = found.session(given_out.access_key, given_out.token)
    assert credential is not None and credential.principal.username == "alice"
    assert credential.principal.access_key == given_out.access_key
    asyncio.run(found.write(lambda tx: keys.activate(tx, made, False)))
    assert code(found.session, given_out.access_key, given_out.token) == "InvalidToken"


def test_a_session_of_a_key_does_not_outlive_the_keys_end():
    clock = Clock()
    found = identities(clock)
    of = account()
    now = int(clock.now)
    made = key(of, service=Narrowed("robot", expires_us=(now + 60) * 1_000_000))
    asyncio.run(found.write(lambda tx: accounts.add(tx, of)))
    asyncio.run(found.write(lambda tx: keys.add(tx, made)))
    given_out = found.tokens.issue(Record(Origin.KEY, of.id, made.id, now, now + 900))
    assert found.session(given_out.access_key, given_out.token) is not None
    clock.now += 61
    assert code(found.session, given_out.access_key, given_out.token) == "ExpiredToken"
    again = identities(clock, found._catalog)  # a process that has not seen it before
    assert code(again.session, given_out.access_key, given_out.token) == "ExpiredToken"


def test_nobody_gets_in_while_the_account_is_suspended():
    clock = Clock()
    found = identities(clock)
    of = msgspec.structs.replace(account(), suspended=True)
    asyncio.run(found.write(lambda tx: accounts.add(tx, of)))
    now = int(clock.now)
    made = found.tokens.issue(Record(Origin.ACCOUNT, of.id, of.id, now, now + 900, policies=()))
    assert code(found.session, made.access_key, made.token) == "AccountProblem"
