"""Managed policies: documents with an ARN that many may have attached, in up to five versions with one in force.

AWS's own, by their well-known ARNs, are there for everybody and belong to nobody: see `aws_managed`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
"""

from __future__ import annotations

from typing import Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.iam.identities import attachments, aws_managed, entities, names
from objstore.iam.identities.records import ManagedPolicy, PolicyVersion
from objstore.iam.policy import MANAGED_LIMIT, size

MOST_VERSIONS: Final = 5


def create(tx: Transaction, policy: ManagedPolicy, document: str) -> None:
    """Enter a policy with its first version. Raises EntityAlreadyExists, LimitExceeded."""
    _check_size(document)
    entities.add(tx, policy)
    _put_version(tx, policy, PolicyVersion(1, document, policy.created_us))


def require(tx: Transaction, account: str, arn: str) -> ManagedPolicy:
    """The policy of an ARN, as an account sees it: its own, or one of AWS's. Raises NoSuchEntity."""
    known = aws_managed.find(arn)
    if known is not None:
        return known.policy
    parts = names.split(arn)
    found = entities.find(tx, ManagedPolicy, account, parts[3]) if parts and parts[:2] == (account, "policy") else None
    if found is None or names.arn(found) != arn:
        raise AwsError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    return found


def require_own(tx: Transaction, account: str, arn: str) -> ManagedPolicy:
    """The same, for a change: AWS's own policies are nobody's to change (AccessDenied)."""
    if aws_managed.find(arn) is not None:
        raise AwsError("AccessDenied", f"Policy {arn} is managed by AWS and cannot be changed.")
    return require(tx, account, arn)


def document_of(tx: Transaction, arn: str) -> str | None:
    """The document in force of the policy of an ARN; None when there is no such policy."""
    known = aws_managed.find(arn)
    if known is not None:
        return known.document
    parts = names.split(arn)
    policy = entities.find(tx, ManagedPolicy, parts[0], parts[3]) if parts and parts[1] == "policy" else None
    if policy is None or names.arn(policy) != arn:
        return None
    return version(tx, policy, policy.default).document


def versions(tx: Transaction, policy: ManagedPolicy) -> list[PolicyVersion]:
    """All versions, latest first."""
    known = aws_managed.find(names.arn(policy))
    if known is not None:
        return [PolicyVersion(1, known.document, policy.created_us)]
    rows = tx.all("SELECT record FROM iam_policy_versions WHERE policy = ? ORDER BY number DESC", policy.id)
    return [unpack(record, PolicyVersion) for (record,) in rows]


def version(tx: Transaction, policy: ManagedPolicy, number: int) -> PolicyVersion:
    """One version; raises NoSuchEntity."""
    for one in versions(tx, policy):
        if one.number == number:
            return one
    raise AwsError("NoSuchEntity", f"Policy {names.arn(policy)} version v{number} does not exist or is not attachable.")


def add_version(tx: Transaction, policy: ManagedPolicy, document: str, at_us: int, *, in_force: bool) -> PolicyVersion:
    """Add a version. Raises LimitExceeded."""
    _check_size(document)
    if len(versions(tx, policy)) >= MOST_VERSIONS:
        raise AwsError(
            "LimitExceeded",
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing"
            " version.",
        )
    new = PolicyVersion(policy.latest + 1, document, at_us)
    _put_version(tx, policy, new)
    default = new.number if in_force else policy.default
    entities.replace(tx, msgspec.structs.replace(policy, latest=new.number, default=default, updated_us=at_us))
    return new


def set_default(tx: Transaction, policy: ManagedPolicy, number: int, at_us: int) -> None:
    """Put a version in force. Raises NoSuchEntity."""
    version(tx, policy, number)
    entities.replace(tx, msgspec.structs.replace(policy, default=number, updated_us=at_us))


def delete_version(tx: Transaction, policy: ManagedPolicy, number: int) -> None:
    """Delete a version that is not in force. Raises NoSuchEntity, DeleteConflict."""
    version(tx, policy, number)
    if number == policy.default:
        raise AwsError("DeleteConflict", "Cannot delete the default version of a policy.")
    tx.run("DELETE FROM iam_policy_versions WHERE policy = ? AND number = ?", policy.id, number)


def delete(tx: Transaction, policy: ManagedPolicy) -> None:
    """Delete a policy that is attached to nobody and has one version. Raises DeleteConflict."""
    arn = names.arn(policy)
    if attachments.holders_of(tx, arn) or attachments.bounded_by(tx, arn):
        raise AwsError("DeleteConflict", "Cannot delete a policy attached to entities.")
    if len(versions(tx, policy)) > 1:
        raise AwsError(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must"
            " delete the policy's versions. The default version is deleted with the policy.",
        )
    tx.run("DELETE FROM iam_policy_versions WHERE policy = ?", policy.id)
    entities.remove(tx, policy)


def _check_size(document: str) -> None:
    if size(document) > MANAGED_LIMIT:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for PolicySize: {MANAGED_LIMIT}")


def _put_version(tx: Transaction, policy: ManagedPolicy, new: PolicyVersion) -> None:
    tx.run(
        "INSERT INTO iam_policy_versions (policy, number, record) VALUES (?, ?, ?)", policy.id, new.number, pack(new)
    )
