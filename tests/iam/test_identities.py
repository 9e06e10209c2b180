"""Whom a key speaks for: found at once after a change, refused when key, user or account may not come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from objstore.aws.errors import AwsError
from objstore.aws.principal import ANONYMOUS, Kind, Principal
from objstore.catalog.transaction import Transaction
from objstore.iam import callers
from objstore.iam.identities import (
    accounts,
    attachments,
    aws_managed,
    entities,
    grants,
    inline,
    keys,
    managed,
    members,
    names,
)
from objstore.iam.identities.records import Group, KeyUse, ManagedPolicy, Narrowed, User
from objstore.iam.identities.resolver import Identities
from objstore.iam.users import ROOT, UserEntry, Users, UsersError
from objstore.store.types import Owner
from tests.iam.setting import Clock, account, identities, key, user
from tests.store.fakes import MemoryCatalog

SECRET = "a-secret-of-forty-characters"


def put(found: Identities, *functions: Callable[[Transaction], Any]) -> None:
    for function in functions:
        asyncio.run(found.write(function))


def furnished(found: Identities, *, service: Narrowed | None = None) -> tuple[Any, User, Any]:
    of = account()
    alice = user(of)
    made = key(alice, SECRET, service)
    put(
        found,
        lambda tx: accounts.add(tx, of),
        lambda tx: entities.add(tx, alice),
        lambda tx: keys.add(tx, made),
    )
    return of, alice, made


def test_a_key_speaks_for_its_user_who_acts_in_the_name_of_the_account():
    found = identities()
    of, alice, made = furnished(found)
    credential = found.credential(made.id)
    assert credential is not None and credential.secret == SECRET
    caller = credential.principal
    assert (caller.id, caller.name, caller.account) == (of.canonical, of.name, of.id)
    assert caller.arn == f"arn:aws:iam::{of.id}:user/alice"
    assert (caller.kind, caller.user_id, caller.username) == (Kind.USER, alice.id, "alice")
    assert not caller.is_root and not caller.rules(of.canonical)


def test_a_key_of_the_account_itself_is_its_root_user():
    found = identities()
    of = account()
    made = key(of)
    put(found, lambda tx: accounts.add(tx, of), lambda tx: keys.add(tx, made))
    credential = found.credential(made.id)
    assert credential is not None
    assert credential.principal.arn == f"arn:aws:iam::{of.id}:root"
    assert credential.principal.rules(of.canonical) and not credential.principal.rules(ROOT.id)


@pytest.mark.parametrize(
    "change",
    [
        lambda tx, of, alice, made: keys.remove(tx, made),
        lambda tx, of, alice, made: keys.activate(tx, made, False),
        lambda tx, of, alice, made: entities.remove(tx, alice),
        lambda tx, of, alice, made: entities.replace(tx, msgspec.structs.replace(alice, suspended=True)),
    ],
)
def test_a_change_is_seen_at_once_by_every_process(change):
    catalog = MemoryCatalog()
    one, other = identities(catalog=catalog), identities(catalog=catalog)
    of, alice, made = furnished(one)
    assert one.credential(made.id) is not None and other.credential(made.id) is not None
    put(one, lambda tx: change(tx, of, alice, made))
    assert one.credential(made.id) is None and other.credential(made.id) is None


def test_a_suspended_account_lets_nobody_in():
    found = identities()
    of, _, made = furnished(found)
    put(found, lambda tx: accounts.change(tx, of.id, lambda one: msgspec.structs.replace(one, suspended=True)))
    with pytest.raises(AwsError) as refused:
        found.credential(made.id)
    assert refused.value.code == "AccountProblem"
    put(found, lambda tx: accounts.change(tx, of.id, lambda one: msgspec.structs.replace(one, suspended=False)))
    assert found.credential(made.id) is not None


def test_a_service_account_ends_at_its_time_and_brings_its_policy():
    clock = Clock()
    found = identities(clock)
    end = int(clock.now + 60) * 1_000_000
    _, _, made = furnished(found, service=Narrowed("backup", policy="{}", expires_us=end))
    credential = found.credential(made.id)
    assert credential is not None
    session = credential.principal.session
    assert session is not None and session.policies == ("{}",) and not session.temporary
    clock.now += 61
    assert found.credential(made.id) is None


def test_a_narrowed_key_of_root_is_not_root_of_everything():
    found = identities()
    made = msgspec.structs.replace(key(account()), account="000000000000", service=Narrowed("half", policy="{}"))
    whole = msgspec.structs.replace(key(account()), account="000000000000", service=Narrowed("whole"))
    put(found, lambda tx: keys.add(tx, made), lambda tx: keys.add(tx, whole))
    narrow, full = found.credential(made.id), found.credential(whole.id)
    assert narrow is not None and not narrow.principal.is_root and narrow.principal.id == ROOT.id
    assert full is not None and full.principal.is_root


def test_uses_of_keys_are_entered_in_batches_and_the_latest_stays():
    clock = Clock()
    found = identities(clock)
    _, _, made = furnished(found)
    found.used(made.id, "s3", "us-east-1")  # not yet known to be anybody's
    assert found.last_use(made.id) is None
    found.credential(made.id)
    found.used(made.id, "s3", "us-east-1")
    asyncio.run(found.flush())
    assert found.read(lambda tx: keys.last_use(tx, made.id)) is None
    clock.now += 61
    found.used(made.id, "iam", "us-east-1")
    asyncio.run(found.flush())
    assert found.read(lambda tx: keys.last_use(tx, made.id)) == KeyUse(int(clock.now * 1e6), "iam", "us-east-1")
    put(found, lambda tx: keys.enter_uses(tx, {made.id: KeyUse(1, "s3", ""), "nobody": KeyUse(2, "s3", "")}))
    assert found.read(lambda tx: keys.last_use(tx, made.id)) == KeyUse(int(clock.now * 1e6), "iam", "us-east-1")
    assert found.read(lambda tx: keys.last_use(tx, "nobody")) is None


def test_accounts_of_the_catalog_are_found_as_owners():
    found = identities()
    of, _, _ = furnished(found)
    assert found.users.by_id(of.canonical) == Owner(of.canonical, of.name) == found.users.by_email("A1@example.com")
    assert found.account_of(of.canonical) == of.id and found.account_of("tenant") == "tenant"
    assert found.account_of("lone") == found.account_of("chief") == "" and found.account_of("nobody") is None
    assert found.is_account(of.id) and found.is_account("tenant") and not found.is_account("lone")


def test_users_of_the_configuration_are_roots_of_their_account_or_have_none():
    found = identities()
    tenant, lone, chief = (found.credential(name) for name in ("AKTENANT", "AKLONE", "AKCHIEF"))
    assert tenant is not None and lone is not None and chief is not None
    assert (tenant.principal.arn, tenant.principal.account) == ("arn:aws:iam::tenant:root", "tenant")
    assert (lone.principal.arn, lone.principal.account) == ("arn:aws:iam:::user/lone", "")
    assert tenant.principal.rules("tenant") and lone.principal.rules("lone") and not lone.principal.rules("chief")
    assert found.users.administers(chief.principal) and not found.users.administers(lone.principal)
    assert not ANONYMOUS.rules(ANONYMOUS.id)


def test_who_has_an_account_needs_no_leave_to_rule_it():
    with pytest.raises(UsersError, match="admin"):
        Users("k", "s", [UserEntry(id="a", name="a", access_key="b", secret_key="c", admin=True)])


def test_sealed_secrets_are_bound_to_their_key():
    found = identities()
    _, _, made = furnished(found)
    other = msgspec.structs.replace(made, id="AKIAANOTHER")
    put(found, lambda tx: keys.add(tx, other))
    with pytest.raises(Exception, match="does not open"):
        found.credential(other.id)
    assert SECRET not in repr(made) and SECRET.encode() not in made.sealed


ALLOW = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'


def test_a_user_brings_policies_of_its_own_and_of_its_groups():
    found = identities()
    of, alice, made = furnished(found)
    staff = Group(of.id, names.new_id("AGPA"), "staff", "/", 0)
    own = ManagedPolicy(of.id, names.new_id("ANPA"), "own", "/team/", 0, 0)
    put(
        found,
        lambda tx: entities.add(tx, staff),
        lambda tx: members.add(tx, staff, alice),
        lambda tx: managed.create(tx, own, ALLOW),
        lambda tx: inline.put(tx, alice, "first", ALLOW),
        lambda tx: inline.put(tx, staff, "second", ALLOW),
        lambda tx: attachments.attach(tx, staff, f"arn:aws:iam::{of.id}:policy/team/own"),
        lambda tx: attachments.attach(tx, alice, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"),
    )
    credential = found.credential(made.id)
    assert credential is not None
    grants = found.grants(credential.principal)
    assert {policy.name for policy in grants.identity} == {
        "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        f"arn:aws:iam::{of.id}:policy/team/own",
        "first of user alice",
        "second of group staff",
    }
    assert grants.boundary is None and grants.session is None
    assert found.grants(credential.principal) is grants
    put(found, lambda tx: members.remove(tx, staff, alice))
    credential = found.credential(made.id)
    assert credential is not None and len(found.grants(credential.principal).identity) == 2


def test_a_boundary_and_the_policy_of_a_service_account_are_brought_too():
    found = identities()
    _, alice, _ = furnished(found)
    made = key(alice, service=Narrowed("reader", policy=ALLOW))
    arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    put(
        found,
        lambda tx: keys.add(tx, made),
        lambda tx: entities.replace(tx, msgspec.structs.replace(alice, boundary=arn)),
    )
    credential = found.credential(made.id)
    assert credential is not None
    grants = found.grants(credential.principal)
    assert grants.boundary is not None and grants.boundary.name == arn
    assert grants.session is not None and len(grants.session) == 1


def test_every_policy_of_aws_can_be_parsed():
    assert all(grants.identity_policy(one.document) for one in aws_managed.ALL.values())


def test_only_administrators_without_an_account_bring_leave_to_make_roles():
    found = identities()
    chief, lone, nobody = found.credential("AKCHIEF"), found.credential("AKLONE"), ANONYMOUS
    assert chief is not None and lone is not None
    assert len(found.grants(chief.principal).identity) == 1
    assert found.grants(lone.principal).identity == found.grants(nobody).identity == ()


def test_a_role_without_a_numbered_account_acts_for_all_who_have_none():
    found = identities()
    context = SimpleNamespace(identities=found)
    role = Principal("lone", "Lone", "arn:aws:sts:::assumed-role/r/s", kind=Kind.ROLE, account="")
    lone, tenant = found.credential("AKLONE"), found.credential("AKTENANT")
    assert lone is not None and tenant is not None
    chief = Owner("chief", "Chief")
    assert callers.account_of(role) == callers.account_of_owner(chief, context, role) == ""
    assert callers.account_of(lone.principal) == "lone"
    assert callers.account_of_owner(chief, context, lone.principal) == "chief"
    assert callers.account_of_owner(Owner("tenant", "Tenant"), context, role) == "tenant"
