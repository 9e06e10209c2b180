"""Condition keys: what a request tells a policy of itself, worked out only when a policy asks.

Keys about the caller alone (`aws:username`, `aws:PrincipalArn`) are the policy engine's own. Nothing is believed that a
proxy may have written: the source address is that of the connection.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from objstore.aws import copy_source
from objstore.aws.authentication import Scheme
from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.aws.sigv4 import amz_date
from objstore.iam.identities.grants import keys_of
from objstore.store.types import Version

Values = tuple[str, ...]


@dataclass(slots=True)
class Facts:
    """What keys are worked out from: a request, and the object and listing that one decision of it is about.

    `owner` is the account of who owns the resource. `version` finds the object when a policy asks for its tags, and
    gives None where there is none. `prefix` is what a listing would be asked for that tells whether a key is there.
    """

    call: Call
    owner: str = ""
    version_id: str | None = None
    version: Callable[[], Version | None] = lambda: None
    prefix: str | None = None


class RequestKeys:
    """The keys of one decision, by lower-case name."""

    __slots__ = ("_facts", "_known", "_principal")

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[str, Values | None] = {}
        self._principal: Mapping[str, Values] | None = None

    def get(self, name: str, /) -> Values | None:
        """The values of a key; None where the request has none."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Values | None:
        find = _finder(name)
        return self._of_principal(name) if find is None else find(self._facts)

    def _of_principal(self, name: str) -> Values | None:
        """What the principal brings: its tags, and what the login of its session left."""
        if self._principal is None:
            self._principal = keys_of(self._facts.call.principal)
        return self._principal.get(name)


@lru_cache(maxsize=1024)
def _finder(name: str) -> Callable[[Facts], Values | None] | None:
    """What finds the values of a key in a request; None for what is no key of requests."""
    header = _HEADERS.get(name)
    if header is not None:
        return lambda facts: None if (text := facts.call.request.headers.get(header)) is None else (text,)
    one = _KEYS.get(name)
    if one is not None:
        return lambda facts: (value,) if isinstance(value := one(facts), str) else value
    family, slash, rest = name.partition("/")
    several = _FAMILIES.get(family) if slash else None
    return None if several is None else lambda facts: _named(several(facts), rest)


def _named(tags: Mapping[str, str], name: str) -> Values | None:
    """The values of a tag, whose name counts without its case in a key, though not in a tag."""
    return tuple([value for key, value in tags.items() if key.lower() == name]) or None


_HEADERS: Final = {
    "aws:referer": "referer",
    "aws:useragent": "user-agent",
    "s3:if-match": "if-match",
    "s3:if-none-match": "if-none-match",
    "s3:x-amz-acl": "x-amz-acl",
    "s3:x-amz-content-sha256": "x-amz-content-sha256",
    "s3:x-amz-grant-full-control": "x-amz-grant-full-control",
    "s3:x-amz-grant-read": "x-amz-grant-read",
    "s3:x-amz-grant-read-acp": "x-amz-grant-read-acp",
    "s3:x-amz-grant-write": "x-amz-grant-write",
    "s3:x-amz-grant-write-acp": "x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive": "x-amz-metadata-directive",
    "s3:x-amz-object-ownership": "x-amz-object-ownership",
    "s3:x-amz-server-side-encryption": "x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm": "x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class": "x-amz-storage-class",
    "s3:x-amz-website-redirect-location": "x-amz-website-redirect-location",
}
"""Keys that are a header as it was sent."""


def _member(name: str) -> Callable[[Facts], str | None]:
    def find(facts: Facts) -> str | None:
        value = facts.call.get(name)
        return None if value is None else str(value)

    return find


def _source_ip(facts: Facts) -> str | None:
    return facts.call.request.client


def _secure(facts: Facts) -> str:
    return "true" if facts.call.request.secure else "false"


def _tls_version(facts: Facts) -> str | None:
    return facts.call.request.tls_version


def _now(_: Facts) -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _prefix(facts: Facts) -> str | None:
    return facts.prefix if facts.prefix is not None else _member("Prefix")(facts)


def _copy_source(facts: Facts) -> str | None:
    """`bucket/key`, however it was written: a policy that compares it is not escaped by percent signs."""
    header = facts.call.get("CopySource")
    if header is None:
        return None
    try:
        source = copy_source.parse(header)
    except AwsError:
        return str(header)
    return f"{source.bucket}/{source.key}" + (f"?versionId={source.version_id}" if source.version_id else "")


_AUTH_TYPES: Final = {
    Scheme.V4_HEADER: "REST-HEADER",
    Scheme.V2_HEADER: "REST-HEADER",
    Scheme.V4_PRESIGNED: "REST-QUERY-STRING",
    Scheme.V2_PRESIGNED: "REST-QUERY-STRING",
    Scheme.FORM: "POST",
}
_SIGNATURES: Final = {
    Scheme.V4_HEADER: "AWS4-HMAC-SHA256",
    Scheme.V4_PRESIGNED: "AWS4-HMAC-SHA256",
    Scheme.V2_HEADER: "AWS",
    Scheme.V2_PRESIGNED: "AWS",
}


def _signature_age(facts: Facts) -> str | None:
    """Milliseconds since a request was signed with Version 4."""
    request = facts.call.request
    if facts.call.scheme is Scheme.V4_PRESIGNED:
        signed = amz_date.parse_basic(dict(request.query).get("X-Amz-Date", ""))
    elif facts.call.scheme is Scheme.V4_HEADER:
        signed = amz_date.request_time(request.headers)
    else:
        signed = None
    return None if signed is None else str(max(0, int((time.time() - signed) * 1000)))


def _retention_days(facts: Facts) -> str | None:
    """The days that are left of the retention that a request sets, whole ones."""
    until = facts.call.get("ObjectLockRetainUntilDate") or (facts.call.get("Retention") or {}).get("RetainUntilDate")
    if not isinstance(until, datetime):
        return None
    return str(max(0, (until - datetime.now(UTC)).days))


def _lock_mode(facts: Facts) -> str | None:
    return facts.call.get("ObjectLockMode") or (facts.call.get("Retention") or {}).get("Mode")


def _legal_hold(facts: Facts) -> str | None:
    return facts.call.get("ObjectLockLegalHoldStatus") or (facts.call.get("LegalHold") or {}).get("Status")


def _retain_until(facts: Facts) -> str | None:
    until = facts.call.get("ObjectLockRetainUntilDate") or (facts.call.get("Retention") or {}).get("RetainUntilDate")
    return until.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(until, datetime) else None


def _location(facts: Facts) -> str | None:
    location: str | None = (facts.call.get("CreateBucketConfiguration") or {}).get("LocationConstraint")
    return location


_KEYS: Final[dict[str, Callable[[Facts], str | Values | None]]] = {
    "aws:currenttime": _now,
    "aws:epochtime": lambda _: str(int(time.time())),
    "aws:requestedregion": lambda facts: facts.call.region,
    "aws:resourceaccount": lambda facts: facts.owner or None,
    "aws:securetransport": _secure,
    "aws:sourceip": _source_ip,
    "aws:tagkeys": lambda facts: tuple(_request_tags(facts)) or None,
    "aws:viaawsservice": lambda _: "false",
    "s3:authtype": lambda facts: _AUTH_TYPES.get(facts.call.scheme),
    "s3:delimiter": _member("Delimiter"),
    "s3:locationconstraint": _location,
    "s3:max-keys": _member("MaxKeys"),
    "s3:object-lock-legal-hold": _legal_hold,
    "s3:object-lock-mode": _lock_mode,
    "s3:object-lock-remaining-retention-days": _retention_days,
    "s3:object-lock-retain-until-date": _retain_until,
    "s3:prefix": _prefix,
    "s3:requestobjecttagkeys": lambda facts: tuple(_request_tags(facts)) or None,
    "s3:resourceaccount": lambda facts: facts.owner or None,
    "s3:signatureage": _signature_age,
    "s3:signatureversion": lambda facts: _SIGNATURES.get(facts.call.scheme),
    "s3:tlsversion": _tls_version,
    "s3:versionid": lambda facts: facts.version_id,
    "s3:x-amz-copy-source": _copy_source,
}


# What is known without the request itself.
_WITHOUT_REQUEST: Final = frozenset(
    {
        *("aws:currenttime", "aws:epochtime", "aws:requestedregion", "aws:viaawsservice"),
        *("aws:resourceaccount", "s3:resourceaccount", "s3:versionid", "s3:existingobjecttag"),
    }
)


def is_of_request(name: str) -> bool:
    """Whether only the request itself tells a key, given in lower case: not time, nor who asks, nor what for."""
    family = name.partition("/")[0]
    return family not in _WITHOUT_REQUEST and (name in _HEADERS or name in _KEYS or family in _FAMILIES)


def _request_tags(facts: Facts) -> Mapping[str, str]:
    """The tags that a request sets, in a header or a document."""
    call = facts.call
    header = call.request.headers.get("x-amz-tagging")
    if header:
        return dict(parse_qsl(header, keep_blank_values=True))
    document: Any = call.get("Tagging")
    if isinstance(document, Mapping):
        listed = document.get("TagSet")
    else:
        listed = (call.get("CreateBucketConfiguration") or {}).get("Tags")
    return {tag["Key"]: tag["Value"] for tag in listed or ()}


def _existing_tags(facts: Facts) -> Mapping[str, str]:
    version = facts.version()
    return {} if version is None else version.tags


_FAMILIES: Final[dict[str, Callable[[Facts], Mapping[str, str]]]] = {
    "aws:requesttag": _request_tags,
    "s3:existingobjecttag": _existing_tags,
    "s3:requestobjecttag": _request_tags,
}
"""Keys with the name of a tag behind a slash."""
