"""The table of users: found by key, id and address; contradictions refused."""

from __future__ import annotations

import pytest

from objstore.iam.users import ROOT, UserEntry, Users, UsersError, owner_of


def entry(**changes: str) -> UserEntry:
    values = {"id": "u1", "name": "One", "access_key": "AK1", "secret_key": "very-secret", "email": "one@example.com"}
    return UserEntry(**(values | changes))


def test_root_keeps_its_id_when_its_key_changes():
    first, second = Users("key-one", "s"), Users("key-two", "s")
    one, two = first.credential("key-one"), second.credential("key-two")
    assert one is not None and two is not None
    assert one.principal.is_root and one.principal.id == two.principal.id == ROOT.id
    assert first.credential("key-two") is None


def test_a_user_is_found_by_key_id_and_email():
    users = Users("rootkey", "s", [entry()])
    credential = users.credential("AK1")
    assert credential is not None and credential.secret == "very-secret"
    assert not credential.principal.is_root and not credential.principal.anonymous
    assert owner_of(credential.principal) == users.by_id("u1") == users.by_email("ONE@example.com")
    assert users.by_id("u2") is None and users.by_email("two@example.com") is None


@pytest.mark.parametrize(
    "second",
    [
        entry(access_key="AK2", email=""),
        entry(id="u2", email=""),
        entry(id="u2", access_key="AK2"),
        entry(id="u2", access_key="rootkey", email=""),
        entry(id=ROOT.id, access_key="AK2", email=""),
        entry(id="", access_key="AK2", email=""),
        entry(id="u2", access_key="AK2", secret_key="", email=""),
    ],
)
def test_contradicting_users_are_refused(second):
    with pytest.raises(UsersError):
        Users("rootkey", "s", [entry(), second])


def test_secrets_are_not_shown():
    assert "very-secret" not in repr(entry())
    assert "very-secret" not in repr(Users("rootkey", "s", [entry()]).credential("AK1"))
