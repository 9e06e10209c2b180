"""What a browser is told about a request from a page of another origin: before it (preflight) and with its answer.

The first rule counts that allows the origin, the method and the headers asked for. A preflight that no rule allows is
refused; the answer to any other request merely says nothing, and the browser keeps it from the page. Whoever asks is
not looked at: a preflight carries no signature.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html and https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.http import Request
from objstore.s3.cors import Cors, Rule, of
from objstore.store.errors import NoSuchBucket
from objstore.store.store import Store

ORIGIN: Final = "origin"
METHOD: Final = "access-control-request-method"
HEADERS: Final = "access-control-request-headers"

_VARY: Final = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
_NOT_ALLOWED: Final = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)


def answering(store: Store) -> Callable[[Request], dict[str, str]]:
    """What the wire calls: for a request with an Origin, or a preflight, the headers that its answer gets."""

    def answer(request: Request) -> dict[str, str]:
        if request.method == "OPTIONS":
            return preflight(request, store)
        try:
            cors = of(store.seen(request.bucket)) if request.bucket is not None else None
        except NoSuchBucket:
            return {}
        return actual(request, cors)

    return answer


def preflight(request: Request, store: Store) -> dict[str, str]:
    """The headers that allow what a preflight asks for. Raises BadRequest and AccessForbidden."""
    if ORIGIN not in request.headers:
        raise AwsError("BadRequest", "Insufficient information. Origin request header needed.")
    method = request.headers.get(METHOD)
    if method is None:
        raise AwsError("BadRequest", "Invalid Access-Control-Request-Method: null")
    kind = "SERVICE" if request.bucket is None else "BUCKET" if request.key is None else "OBJECT"
    try:
        cors = of(store.seen(request.bucket)) if request.bucket is not None else None
    except NoSuchBucket:
        raise AwsError("AccessForbidden", "CORSResponse: Bucket not found", Method=method, ResourceType=kind) from None
    if cors is None:
        raise AwsError("AccessForbidden", Method=method, ResourceType=kind)
    headers = actual(request, cors)
    if "access-control-allow-origin" not in headers:
        raise AwsError("AccessForbidden", _NOT_ALLOWED, Method=method, ResourceType=kind)
    return headers


def actual(request: Request, cors: Cors | None) -> dict[str, str]:
    """The headers for a request with an Origin; `Vary` alone where there are rules and none allows it."""
    if cors is None:
        return {}
    origin = request.headers[ORIGIN]
    method = request.headers.get(METHOD) or request.method
    asked = [name.strip().lower() for name in request.headers.get(HEADERS, "").split(",") if name.strip()]
    for rule in cors.rules:
        allowed = _allowed_origin(rule, origin)
        if allowed is not None and method in rule.methods and all(_allows_header(rule, name) for name in asked):
            return _headers(rule, allowed, origin, asked)
    return {"vary": _VARY}


def _allowed_origin(rule: Rule, origin: str) -> str | None:
    """The pattern of a rule that fits an origin."""
    return next((pattern for pattern in rule.origins if fits(pattern, origin)), None)


def _allows_header(rule: Rule, name: str) -> bool:
    return any(fits(pattern.lower(), name) for pattern in rule.headers)


def fits(pattern: str, text: str) -> bool:
    """Whether a text is the pattern, whose one `*` stands for any characters, also for none."""
    before, star, after = pattern.partition("*")
    if not star:
        return text == pattern
    return len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)


def _headers(rule: Rule, pattern: str, origin: str, asked: list[str]) -> dict[str, str]:
    """The answer of a rule. Credentials are for origins that it names, be it by a pattern, and not for any at all."""
    anybody = pattern == "*"
    headers = {"access-control-allow-origin": pattern if anybody else origin}
    if not anybody:
        headers["access-control-allow-credentials"] = "true"
    headers["access-control-allow-methods"] = ", ".join(rule.methods)
    if asked:
        headers["access-control-allow-headers"] = ", ".join(asked)
    if rule.expose:
        headers["access-control-expose-headers"] = ", ".join(rule.expose)
    if rule.max_age is not None:
        headers["access-control-max-age"] = str(rule.max_age)
    headers["vary"] = _VARY
    return headers
