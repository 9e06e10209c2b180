"""Redirects of a website: where a request goes instead, by its routing rules.

The first rule counts whose conditions hold. One that waits for an error is looked at once there is one, all others
before the object is. A query is not passed on.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-page-redirect.html
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from objstore.aws.http import Request
from objstore.s3.website.documents import RoutingRule, Target, Website

_MOVED = 301


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A redirect: its status and the address."""

    status: int
    location: str


def by_rule(website: Website, request: Request, key: str, error: int | None = None) -> Elsewhere | None:
    """Where a request for `key` goes by the rules, before it is looked for or after `error`, a status; else None."""
    for rule in website.rules:
        if rule.error == (None if error is None else str(error)) and key.startswith(rule.prefix or ""):
            return _elsewhere(rule, request, key)
    return None


def _elsewhere(rule: RoutingRule, request: Request, key: str) -> Elsewhere:
    redirect = rule.redirect
    if redirect.replace_key is not None:
        key = redirect.replace_key
    elif redirect.replace_prefix is not None:
        key = redirect.replace_prefix + key[len(rule.prefix or "") :]
    location = address(redirect.protocol, redirect.host, request, key)
    return Elsewhere(int(redirect.code) if redirect.code else _MOVED, location)


def everything(target: Target, request: Request, key: str) -> Elsewhere:
    """Where a website goes that is elsewhere altogether."""
    return Elsewhere(_MOVED, address(target.protocol, target.host, request, key))


def address(protocol: str | None, host: str | None, request: Request, key: str) -> str:
    """The address of a key, with what is None as in the request."""
    scheme = protocol or ("https" if request.secure else "http")
    return f"{scheme}://{host or request.host}/{encoded(key)}"


def encoded(key: str) -> str:
    """A key as the path of an address."""
    return quote(key, safe="/-_.~!$&'()*+,;=:@", errors="surrogatepass")
