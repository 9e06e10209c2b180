"""Accesses: IAM users of the driver's account, whose policies name the buckets that each may use, and how.

What there is to know of an access is with its user, in tags: a digest of what was asked for, its key, and the sealed
secret of that. Buckets of the driver's own account need no more than the user's policies; of others, whose buckets COSI
was pointed to, the bucket's policy lets the user in as well, by a statement of the user's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from objstore.client import Connection, StoreRefused
from objstore.kubernetes.cosi import sealing
from objstore.kubernetes.cosi.failure import Code, Failure
from objstore.kubernetes.tenancy import clients, keys, policies, users
from objstore.kubernetes.tenancy.accounts import Tenant
from objstore.kubernetes.tenancy.clients import absent, told
from objstore.kubernetes.tenancy.keys import Key
from objstore.kubernetes.tenancy.policies import Mode

Modes = Mapping[str, Mode]

_GRANT: Final = "cosi:grant"
_KEY: Final = "cosi:key"
_SECRET: Final = "cosi:secret"  # noqa: S105  # the name of a tag
_INLINE: Final = "access"
_PATH: Final = "/cosi/"
# Characters that are no white space.
_MOST_INLINE: Final = 2048
_MOST_MANAGED: Final = 6144
_GONE: Final = "NoSuchEntity"
_MODES: Final[dict[str, Mode]] = {"ReadWrite": "READ_WRITE", "ReadOnly": "READ_ONLY", "WriteOnly": "WRITE_ONLY"}


class Access:
    """One access, by the name of its user."""

    def __init__(self, connection: Connection, account: Tenant, user: str) -> None:
        self._connection, self._account, self.user = connection, account, user
        self._iam = clients.iam(connection)
        self._arn = f"arn:aws:iam::{account.id}:user/{user}"

    def grant(self, modes: Modes, foreign: Collection[str]) -> Key:
        """Make the access, or find it; its key with the secret. `foreign` are buckets that another account owns.

        Raises Failure (ALREADY_EXISTS) when it is there with other buckets or modes.
        """
        asked = _digest(modes)
        with self._acting():
            tags = [{"Key": _GRANT, "Value": asked}]
            absent(lambda: told(self._iam.create_user, UserName=self.user, Tags=tags), "EntityAlreadyExists")
        known = self._tags()
        if known.get(_GRANT) != asked:
            raise Failure(Code.ALREADY_EXISTS, f"the access {self.user} is there, with other buckets or modes")
        self._allow(modes)
        for bucket in foreign:
            policies.grant(self._connection, bucket, self._arn, sid=self.user, mode=modes[bucket])
        return self._key(known)

    def revoke(self, gone: Collection[str]) -> None:
        """Take these buckets away from the access; with the last of them it ends, and its key with it."""
        left: dict[str, Mode] = {}
        try:
            ours = _GRANT in self._tags()
            if ours:
                left = {bucket: mode for bucket, mode in self._allowed() if bucket not in gone}
        except StoreRefused as error:
            if error.code != _GONE:
                raise
            ours = False
        if ours and left:
            self._tag({_GRANT: _digest(left)})
            self._allow(left)
        for bucket in gone:
            policies.revoke(self._connection, bucket, self.user)
        if ours and not left:
            self._remove()

    def _key(self, known: Mapping[str, str]) -> Key:
        """The key that was given before, or a new one beside it where its secret cannot be read any more."""
        access, keep = known.get(_KEY), []
        if access is not None and keys.active(self._connection, self._account, access, user=self.user):
            secret = sealing.unseal(self._connection, self.user, access, known.get(_SECRET, ""))
            if secret is not None:
                return Key(access, secret)
            keep = [access]
        found = keys.ensure(self._connection, self._account, None, user=self.user, keep=keep)
        assert found.secret is not None, "a new key is told with its secret"
        self._tag({_KEY: found.access, _SECRET: sealing.seal(self._connection, self.user, found.access, found.secret)})
        if self._tags().get(_KEY) != found.access:
            raise Failure(Code.ABORTED, f"another call is changing the access {self.user}")
        return found

    def _allow(self, modes: Modes) -> None:
        """Have the user's policies say these modes: one that is its own, or where that is too little several beside."""
        inline, *more = _documents(modes, _MOST_INLINE)
        managed = list(_documents(modes, _MOST_MANAGED)) if more else []
        with self._acting():
            for number, document in enumerate(managed, 1):
                arn = self._managed(f"{self.user}.{number}", document)
                told(self._iam.attach_user_policy, UserName=self.user, PolicyArn=arn)
        users.ensure(self._connection, self._account.id, self.user, {} if managed else {_INLINE: inline})
        with self._acting():
            for arn in self._attached()[len(managed) :]:
                self._drop(arn)

    def _managed(self, name: str, document: dict[str, Any]) -> str:
        """A managed policy of that name and content; its ARN."""
        arn, text = f"arn:aws:iam::{self._account.id}:policy{_PATH}{name}", json.dumps(document)
        new = {"PolicyName": name, "Path": _PATH, "PolicyDocument": text}
        if absent(lambda: told(self._iam.create_policy, **new), "EntityAlreadyExists"):
            versions = told(self._iam.list_policy_versions, PolicyArn=arn)["Versions"]
            for version in versions:
                if not version["IsDefaultVersion"]:
                    told(self._iam.delete_policy_version, PolicyArn=arn, VersionId=version["VersionId"])
            if self._document(arn) != document:
                told(self._iam.create_policy_version, PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        return arn

    def _document(self, arn: str) -> Any:
        version = told(self._iam.get_policy, PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return told(self._iam.get_policy_version, PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    def _attached(self) -> list[str]:
        """The ARNs of the managed policies that `_allow` made, in their order."""
        found = told(self._iam.list_attached_user_policies, UserName=self.user)["AttachedPolicies"]
        arns = [one["PolicyArn"] for one in found if f":policy{_PATH}" in one["PolicyArn"]]
        return sorted(arns, key=lambda arn: int(arn.rpartition(".")[2]))

    def _drop(self, arn: str) -> None:
        absent(lambda: told(self._iam.detach_user_policy, UserName=self.user, PolicyArn=arn), _GONE)
        for version in told(self._iam.list_policy_versions, PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                told(self._iam.delete_policy_version, PolicyArn=arn, VersionId=version["VersionId"])
        told(self._iam.delete_policy, PolicyArn=arn)

    def _allowed(self) -> Iterator[tuple[str, Mode]]:
        """What the user's policies say, bucket by bucket."""
        found = users.rights(self._connection, self._account.id, self.user) or {}
        documents = [found[name] for name in found if name == _INLINE]
        with self._acting():
            documents += [self._document(arn) for arn in self._attached()]
        for document in documents:
            for statement in document["Statement"]:
                for resource in statement["Resource"]:
                    if not resource.endswith("/*"):
                        yield resource.rpartition(":")[2], _MODES[statement["Sid"]]

    def _remove(self) -> None:
        with self._acting():
            for arn in self._attached():
                self._drop(arn)
        users.remove(self._connection, self._account.id, self.user)

    def _tags(self) -> dict[str, str]:
        with self._acting():
            found = told(self._iam.list_user_tags, UserName=self.user)["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def _tag(self, tags: Mapping[str, str]) -> None:
        with self._acting():
            given = [{"Key": key, "Value": value} for key, value in tags.items()]
            told(self._iam.tag_user, UserName=self.user, Tags=given)

    def _acting(self) -> Any:
        return clients.acting_for(self._connection, self._account.id)


def _digest(modes: Modes) -> str:
    return hashlib.sha256(json.dumps(sorted(modes.items())).encode()).hexdigest()


def _documents(modes: Modes, most: int) -> Iterator[dict[str, Any]]:
    """Policies of at most so many characters that together say these modes."""
    part: dict[str, Mode] = {}
    for bucket, mode in sorted(modes.items()):
        wider = part | {bucket: mode}
        if part and len("".join(json.dumps(_document(wider)).split())) > most:
            yield _document(part)
            wider = {bucket: mode}
        part = wider
    yield _document(part)


def _document(modes: Modes) -> dict[str, Any]:
    """A policy with a statement for each mode."""
    statements = []
    for sid, mode in _MODES.items():
        arns = [f"arn:aws:s3:::{bucket}" for bucket in sorted(modes) if modes[bucket] == mode]
        if arns:
            resources = [resource for arn in arns for resource in (arn, f"{arn}/*")]
            statements.append({"Sid": sid, "Effect": "Allow", "Action": policies.ACTIONS[mode], "Resource": resources})
    return {"Version": "2012-10-17", "Statement": statements}
