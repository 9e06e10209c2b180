"""What IAM checks of a policy that is attached to an identity: sids, actions and resources by their form.

IAM knows no service's actions and resources when it takes a policy: only how they are written. Faults are looked for
one kind after the other over the whole document, as AWS does, so the first message is the same.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from objstore.iam.policy.arns import PARTITIONS
from objstore.iam.policy.errors import Fault, MalformedPolicy
from objstore.iam.policy.shape import Document
from objstore.iam.policy.types import Kind

_VENDOR: Final = re.compile(r"[A-Za-z0-9.\-]+")
_SID: Final = re.compile(r"[A-Za-z0-9]*")
_IAM_PATHS: Final = (
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
)
_S3_REGIONAL: Final = ("accesspoint/", "job/", "storage-lens", "access-grants/", "async-request/")
_NO_VENDOR: Final = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."


def check(document: Document, kind: Kind, *, principal_may_be_everybody: bool = False) -> None:
    """Raises MalformedPolicy."""

    def fail(fault: Fault, *named: str) -> NoReturn:
        raise MalformedPolicy(kind, fault, *named)

    statements = document.statements
    resources = [resource for one in statements for resource in one.resources or ()]
    if any(_lacks_fields(resource) for resource in resources):
        fail(Fault.RESOURCE_FIELDS)
    sids = [one.sid for one in statements if one.sid]
    if len(set(sids)) != len(sids):
        fail(Fault.SAME_SID)
    if not all(_SID.fullmatch(sid) for sid in sids):
        fail(Fault.SID)
    for one in statements:
        if one.principal is not None and not (
            principal_may_be_everybody and not one.not_principal and one.principal in ("*", {"AWS": "*"})
        ):
            fail(Fault.PRINCIPAL)
    if any(not one.actions for one in statements):
        fail(Fault.NO_ACTION)
    if any(not one.resources for one in statements):
        fail(Fault.NO_RESOURCE)
    for message in _messages(resources, _resource_fault):
        fail(Fault.RESOURCE, message)
    for message in _messages((action for one in statements for action in one.actions or ()), _action_fault):
        fail(Fault.ACTION, message)


def _messages(texts: Iterable[str], fault_of: Callable[[str], str | None]) -> Iterable[str]:
    return (message for text in texts if (message := fault_of(text)) is not None)


def _lacks_fields(resource: str) -> bool:
    if not resource.startswith("arn:"):
        return False
    fields = resource.split(":")
    return (len(fields) > 2 and not fields[2]) or ("::" in resource and len(fields) < 6)


def _resource_fault(resource: str) -> str | None:
    if resource == "*":
        return None
    if ":" not in resource:
        return f'Resource {resource} must be in ARN format or "*".'
    fields = resource.split(":", 5)[1:]
    whole = ":".join(["arn", *fields, *["*"] * (5 - len(fields))])
    if fields[0] not in PARTITIONS:
        return f'Partition "{fields[0]}" is not valid for resource "{whole}".'
    if len(fields) < 2 or "*" in fields[1] or "?" in fields[1]:
        return "Resource vendor must be fully qualified and cannot contain regexes."
    service, region, path = fields[1], fields[2] if len(fields) > 2 else "", fields[4] if len(fields) > 4 else "*"
    if service == "s3" and region and path != "*" and not path.startswith(_S3_REGIONAL):
        return f"Resource {resource} can not contain region information."
    if service == "iam" and region:
        return f"IAM resource {resource} cannot contain region information."
    if service == "iam" and path != "*" and not path.startswith(_IAM_PATHS):
        return f'IAM resource path must either be "*" or start with {", ".join(_IAM_PATHS)}.'
    return None


def _action_fault(action: str) -> str | None:
    if action == "*":
        return None
    vendor, colon, name = action.partition(":")
    if not colon:
        return _NO_VENDOR
    if ":" in name:
        return "Actions/Condition can contain only one colon."
    if not _VENDOR.fullmatch(vendor):
        return f"Vendor {vendor} is not valid"
    return None
