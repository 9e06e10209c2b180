"""What an ObjectStoreUser may do, as policies of its IAM user: capabilities are sets of actions, policies as given."""

from __future__ import annotations

import json
from typing import Any, Final

from objstore.kubernetes.stores.spec import SpecError
from objstore.kubernetes.tenancy.users import STORAGE, Rights
from objstore.kubernetes.users.spec import Access, ObjectStoreUserSpec

_ACTIONS: Final[dict[str, dict[str, list[str]]]] = {
    "buckets": {
        "read": ["s3:GetBucket*", "s3:Get*Configuration", "s3:ListAllMyBuckets", "s3:ListBucket*"],
        "write": ["s3:CreateBucket", "s3:DeleteBucket*", "s3:PutBucket*", "s3:Put*Configuration"],
    },
    "objects": {
        "read": ["s3:GetObject*", "s3:ListBucket*", "s3:ListMultipartUploadParts"],
        "write": ["s3:AbortMultipartUpload", "s3:DeleteObject*", "s3:PutObject*", "s3:RestoreObject"],
    },
    "users": {
        "read": ["iam:Get*", "iam:List*", "iam:Simulate*"],
        "write": [
            *("iam:Add*", "iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Detach*", "iam:Put*", "iam:Remove*"),
            *("iam:Set*", "iam:Tag*", "iam:Untag*", "iam:Update*"),
        ],
    },
}


def rights(spec: ObjectStoreUserSpec) -> Rights:
    """The inline policies of the user, by name. Raises SpecError."""
    if spec.capabilities is None and not spec.policies:
        return STORAGE
    found: dict[str, Any] = {}
    if spec.capabilities is not None:
        given: dict[str, Access | None] = {
            "buckets": spec.capabilities.buckets,
            "objects": spec.capabilities.objects,
            "users": spec.capabilities.users,
        }
        for name, access in given.items():
            if access is not None:
                found[f"capability-{name}"] = _policy(_actions(name, access))
    for policy in spec.policies:
        found[policy.name] = _document(policy.name, policy.document)
    return found


def _actions(name: str, access: Access) -> list[str]:
    kinds = ("read", "write") if access == "*" else tuple(access.split(", "))
    return sorted({action for kind in kinds for action in _ACTIONS[name][kind]})


def _policy(actions: list[str]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}


def _document(name: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SpecError(f"spec.policies[{name}].document: is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise SpecError(f"spec.policies[{name}].document: is no JSON object")
    return document
