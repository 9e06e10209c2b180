"""Policies and callers for tests, in one line each.

A statement is written `Allow s3:GetObject,s3:List* on b/* for alice if StringLike s3:prefix=home/*`: effect, actions,
resources, principals, conditions. `!` before actions, resources or principals is NotAction, NotResource, NotPrincipal.
A resource without `arn:` is one of S3. Statements of one policy are separated by `;`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from objstore.iam.policy import Asked, Caller, Grants, Kind, Policy, parse

HOME, AWAY = "111122223333", "444455556666"
ALICE = Caller(f"arn:aws:iam::{HOME}:user/alice", HOME, "c1", user_id="AIDAALICE", username="alice")
BOB = Caller(f"arn:aws:iam::{HOME}:user/team/bob", HOME, "c1", user_id="AIDABOB", username="bob")
ROOT = Caller(f"arn:aws:iam::{HOME}:root", HOME, "c1", user_id=HOME, account_root=True)
MALLORY = Caller(f"arn:aws:iam::{AWAY}:user/mallory", AWAY, "c2", user_id="AIDAMALLORY", username="mallory")
STRANGER = Caller(f"arn:aws:iam::{AWAY}:root", AWAY, "c2", user_id=AWAY, account_root=True)
SESSION = Caller(
    f"arn:aws:sts::{HOME}:assumed-role/builder/s1",
    HOME,
    "c1",
    role_arn=f"arn:aws:iam::{HOME}:role/builder",
    user_id="AROABUILDER:s1",
)
VISITOR = Caller(
    f"arn:aws:sts::{AWAY}:assumed-role/guest/s2",
    AWAY,
    "c2",
    role_arn=f"arn:aws:iam::{AWAY}:role/guest",
    user_id="AROAGUEST:s2",
)
ANYBODY = Caller("*", anonymous=True)
LOGGING = Caller("logging.s3.amazonaws.com", service="logging.s3.amazonaws.com")
OIDC = f"arn:aws:iam::{HOME}:oidc-provider/idp.example.com"
FEDERATED = Caller("idp.example.com:jane", federated=OIDC)

CALLERS = {
    "alice": ALICE,
    "bob": BOB,
    "root": ROOT,
    "mallory": MALLORY,
    "stranger": STRANGER,
    "session": SESSION,
    "visitor": VISITOR,
    "anybody": ANYBODY,
    "logging": LOGGING,
    "federated": FEDERATED,
}
_PRINCIPALS: dict[str, Any] = {
    "*": "*",
    "aws*": {"AWS": "*"},
    "home": {"AWS": HOME},
    "home-root": {"AWS": f"arn:aws:iam::{HOME}:root"},
    "away": {"AWS": f"arn:aws:iam::{AWAY}:root"},
    "role": {"AWS": SESSION.role_arn},
    "guest-role": {"AWS": VISITOR.role_arn},
    "home-owner": {"CanonicalUser": "c1"},
    "away-owner": {"CanonicalUser": "c2"},
    "logging": {"Service": LOGGING.service},
    "federated": {"Federated": OIDC},
    **{name: {"AWS": CALLERS[name].arn} for name in ("alice", "bob", "mallory", "session", "visitor")},
}
_STATEMENT = re.compile(
    r"(?P<effect>Allow|Deny) (?P<actions>\S+)(?: on (?P<resources>\S+))?"
    r"(?: for (?P<principals>\S+))?(?: if (?P<conditions>.+))?"
)


def statement(text: str) -> dict[str, Any]:
    """One statement as JSON would have it."""
    found = _STATEMENT.fullmatch(text.strip())
    assert found, text
    result: dict[str, Any] = {"Effect": found["effect"]}
    for name, values in (("Action", found["actions"]), ("Resource", found["resources"])):
        if values:
            listed = [_arn(one) if name == "Resource" else one for one in _split(values.removeprefix("!"))]
            result[f"Not{name}" if values.startswith("!") else name] = listed
    if found["principals"]:
        names = found["principals"]
        result["NotPrincipal" if names.startswith("!") else "Principal"] = _principals(names.removeprefix("!"))
    for condition in (found["conditions"] or "").split(" and "):
        if condition:
            operator, _, rest = condition.partition(" ")
            key, _, values = rest.partition("=")
            result.setdefault("Condition", {}).setdefault(operator, {})[key] = values.split("|")
    return result


def _split(values: str) -> list[str]:
    """At commas outside variables; `%20` is a space."""
    return [one.replace("%20", " ") for one in re.split(r",(?![^{]*\})", values)]


def _arn(text: str) -> str:
    return text if text == "*" or text.startswith("arn:") else f"arn:aws:s3:::{text}"


def _principals(names: str) -> Any:
    if names == "*":
        return "*"
    merged: dict[str, list[str]] = {}
    for name in names.split(","):
        given = _PRINCIPALS.get(name, {"AWS": name})
        for kind, value in given.items():
            merged.setdefault(kind, []).append(value)
    return merged


def policy(text: str, kind: Kind = Kind.IDENTITY, *, version: str = "2012-10-17", name: str = "") -> Policy:
    """A policy of statements separated by `;`."""
    return parse(document(text, version=version), kind, name=name)


def document(text: str, *, version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": [statement(one) for one in text.split(";")]})


def asked(action: str, resource: str, **keys: str | tuple[str, ...]) -> Asked:
    """`aws__username="alice"` is the key aws:username."""
    named = {
        name.replace("__", ":").replace("_", "-").lower(): value if isinstance(value, tuple) else (value,)
        for name, value in keys.items()
    }
    return Asked(action, _arn(resource), named)


__all__ = ["ALICE", "CALLERS", "HOME", "Grants", "asked", "document", "policy", "statement"]
