"""What a bucket's website is configured to be, read from a WebsiteConfiguration and written as one.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.store import configuration
from objstore.store.types import Bucket

SUBJECT: Final = "website"
MAX_RULES: Final = 50
MAX_KEY: Final = 1024  # bytes

_PROTOCOLS: Final = ("http", "https")
_ERROR_CODE = re.compile(r"[45]\d\d", re.ASCII)
_REDIRECT_CODE = re.compile(r"3(?!00)\d\d", re.ASCII)


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where every request goes; without a protocol, that of the request."""

    host: str
    protocol: str | None = None


class Redirect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule changes of an address; what it does not say stays as it was asked for."""

    host: str | None = None
    code: str | None = None
    protocol: str | None = None
    replace_prefix: str | None = None
    replace_key: str | None = None


class RoutingRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A redirect, and when it counts: for keys that begin with `prefix`, for answers with status `error`, or both."""

    redirect: Redirect
    prefix: str | None = None
    error: str | None = None


class Website(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A website: either everything goes elsewhere, or there is an index document and perhaps more."""

    everything_to: Target | None = None
    index: str | None = None
    error: str | None = None
    rules: tuple[RoutingRule, ...] = ()


def of(bucket: Bucket) -> Website | None:
    """The bucket's website; None where it is none."""
    return configuration.of(bucket, SUBJECT, Website)


def parse(document: Mapping[str, Any]) -> Website:
    """Read a WebsiteConfiguration. Raises InvalidArgument, InvalidRequest, MalformedXML."""
    everything, index = document.get("RedirectAllRequestsTo"), document.get("IndexDocument")
    error, rules = document.get("ErrorDocument"), document.get("RoutingRules")
    if everything is not None:
        if index is not None or error is not None or rules is not None:
            raise _argument(
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
                "RedirectAllRequestsTo",
                "not null",
            )
        if not everything["HostName"]:
            raise AwsError("MalformedXML")
        protocol = _protocol(everything.get("Protocol"))
        return Website(everything_to=Target(host=everything["HostName"], protocol=protocol))
    if index is None:
        raise _argument(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            "IndexDocument",
            "null",
        )
    suffix = index["Suffix"]
    if not suffix or "/" in suffix or len(suffix.encode()) > MAX_KEY:
        raise _argument("The IndexDocument Suffix is not well formed", "IndexDocument", suffix)
    if error is not None and len(error["Key"].encode()) > MAX_KEY:
        raise _argument("The ErrorDocument Key is not well formed", "ErrorDocument", error["Key"])
    if rules is not None and not rules:
        raise AwsError("MalformedXML")
    if len(rules or ()) > MAX_RULES:
        raise AwsError("InvalidRequest", f"The number of routing rules exceeds the allowed limit of {MAX_RULES}.")
    return Website(index=suffix, error=error["Key"] if error else None, rules=tuple(_rule(one) for one in rules or ()))


def _rule(given: Mapping[str, Any]) -> RoutingRule:
    redirect, condition = given["Redirect"], given.get("Condition")
    if not redirect:
        raise AwsError("MalformedXML")
    if condition is not None and not condition:
        raise AwsError(
            "InvalidRequest",
            "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't "
            "be present.",
        )
    if "ReplaceKeyWith" in redirect and "ReplaceKeyPrefixWith" in redirect:
        raise AwsError("InvalidRequest", "You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    code, error = redirect.get("HttpRedirectCode"), (condition or {}).get("HttpErrorCodeReturnedEquals")
    if code is not None and not _REDIRECT_CODE.fullmatch(code):
        raise AwsError(
            "InvalidRequest", f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."
        )
    if error is not None and not _ERROR_CODE.fullmatch(error):
        raise AwsError(
            "InvalidRequest", f"The provided HTTP error code ({error}) is not valid. Valid codes are 4XX or 5XX."
        )
    return RoutingRule(
        redirect=Redirect(
            host=redirect.get("HostName"),
            code=code,
            protocol=_protocol(redirect.get("Protocol")),
            replace_prefix=redirect.get("ReplaceKeyPrefixWith"),
            replace_key=redirect.get("ReplaceKeyWith"),
        ),
        prefix=(condition or {}).get("KeyPrefixEquals"),
        error=error,
    )


def _protocol(given: str | None) -> str | None:
    if given is not None and given not in _PROTOCOLS:
        raise AwsError(
            "InvalidRequest",
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected "
            "automatically.",
        )
    return given


def _argument(message: str, name: str, value: str) -> AwsError:
    return AwsError("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def to_members(website: Website) -> dict[str, Any]:
    """A website as the members of GetBucketWebsite."""
    if website.everything_to is not None:
        target = website.everything_to
        return {"RedirectAllRequestsTo": {"HostName": target.host, "Protocol": target.protocol}}
    members: dict[str, Any] = {"IndexDocument": {"Suffix": website.index}}
    if website.error is not None:
        members["ErrorDocument"] = {"Key": website.error}
    if website.rules:
        members["RoutingRules"] = [_rule_members(rule) for rule in website.rules]
    return members


def _rule_members(rule: RoutingRule) -> dict[str, Any]:
    condition = {"HttpErrorCodeReturnedEquals": rule.error, "KeyPrefixEquals": rule.prefix}
    redirect = {
        "HostName": rule.redirect.host,
        "HttpRedirectCode": rule.redirect.code,
        "Protocol": rule.redirect.protocol,
        "ReplaceKeyPrefixWith": rule.redirect.replace_prefix,
        "ReplaceKeyWith": rule.redirect.replace_key,
    }
    return {"Condition": condition if any(condition.values()) else None, "Redirect": redirect}
