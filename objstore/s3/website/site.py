"""A website answers: GET and HEAD of whoever comes, by the same gate and handlers as GetObject and HeadObject.

    redirect all -> rules without an error -> the object, or the index of a folder
        -> it says that it is elsewhere: a redirect
        -> there is none, but a folder of that name with an index: a redirect to the folder
        -> rules for the error -> the error document -> a page of our own

Nobody signs in on a website: a signature in the request is not looked at, its query not either.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html#WebsiteRestEndpointDiff
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from objstore.aws.endpoint import Visit
from objstore.aws.errors import AwsError, as_aws_error, has_body
from objstore.aws.http import Request
from objstore.aws.serialising import HeaderPair, Response, header_value
from objstore.s3.website import documents, pages, rules
from objstore.s3.website.documents import Website
from objstore.s3.website.hosts import Hosts
from objstore.s3.website.rules import Elsewhere
from objstore.store.store import Store

REDIRECT: Final = "x-amz-website-redirect-location"

_METHODS: Final = ("GET", "HEAD")
_CONDITIONS: Final = frozenset(
    {"range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)
_KEPT: Final = _CONDITIONS | {"host", "user-agent", "referer", "origin"}
_OF_WHOLE: Final = frozenset({b"content-range", b"accept-ranges"})


class Site:
    """All websites of a store."""

    def __init__(self, store: Store, hosts: Hosts) -> None:
        self._store = store
        self._hosts = hosts

    def bucket_of(self, host: str) -> str | None:
        """The bucket whose website a host is."""
        return self._hosts.bucket_of(host)

    async def answer(self, request: Request, visit: Visit) -> Response:
        """The answer to a browser; `request` names the bucket and the key that the path is. Only faults raise."""
        try:
            website = self._website(request)
        except Exception as error:
            return _page(request, visit, _shown(error))
        key = request.key or ""
        if website.everything_to is not None:
            return _redirect(rules.everything(website.everything_to, request, key))
        elsewhere = rules.by_rule(website, request, key)
        if elsewhere is not None:
            return _redirect(elsewhere)
        try:
            return _relocated(await visit.fetch(_plain(request, _with_index(key, website))))
        except Exception as error:
            return await _failed(request, visit, website, _shown(error))

    def _website(self, request: Request) -> Website:
        if request.method not in _METHODS:
            raise AwsError("MethodNotAllowed", Method=request.method, ResourceType="OBJECT")
        assert request.bucket is not None, "a website's host names its bucket"
        website = documents.of(self._store.bucket(request.bucket))
        if website is None:
            raise AwsError("NoSuchWebsiteConfiguration", BucketName=request.bucket)
        return website


async def _failed(request: Request, visit: Visit, website: Website, error: AwsError) -> Response:
    """What is shown instead of an object that cannot be."""
    key = request.key or ""
    if error.status == 304:
        return Response(304, _pairs(error), length=None)
    if error.status in (403, 404) and key and not key.endswith("/"):
        try:
            found = await visit.fetch(_plain(replace(request, method="HEAD"), f"{key}/{website.index}", bare=True))
        except Exception as other:
            _shown(other)
        else:
            await _close(found)
            return Response(302, [(b"location", f"/{rules.encoded(key)}/".encode("ascii"))])
    elsewhere = rules.by_rule(website, request, key, error.status)
    if elsewhere is not None:
        return _redirect(elsewhere)
    if website.error is None or error.status >= 500:
        return _page(request, visit, error)
    try:
        page = await visit.fetch(_plain(request, website.error, bare=True))
    except Exception as other:
        return _page(request, visit, error, _shown(other))
    headers = [pair for pair in page.headers if pair[0] not in _OF_WHOLE]
    return Response(error.status, headers + pages.error_headers(error), page.body, page.length)


def _with_index(key: str, website: Website) -> str:
    return f"{key}{website.index}" if not key or key.endswith("/") else key


def _plain(request: Request, key: str, *, bare: bool = False) -> Request:
    """The request for an object that a browser's one means, without its query; `bare` without its conditions too."""
    kept = _KEPT - _CONDITIONS if bare else _KEPT
    headers = {name: value for name, value in request.headers.items() if name in kept}
    return replace(request, key=key, headers=headers, query=[], raw_query=b"")


def _relocated(response: Response) -> Response:
    """The answer, unless the object says that it is elsewhere. Its body, not begun, is then dropped with it."""
    for name, value in response.headers:
        if name == REDIRECT.encode():
            return Response(301, [(b"location", value)])
    return response


async def _close(response: Response) -> None:
    close = getattr(response.body, "aclose", None)
    if close is not None:
        await close()


def _redirect(elsewhere: Elsewhere) -> Response:
    return Response(elsewhere.status, [(b"location", header_value(elsewhere.location))])


def _page(request: Request, visit: Visit, error: AwsError, without: AwsError | None = None) -> Response:
    headers = [*_pairs(error), *pages.error_headers(error)]
    body = pages.error_page(error, visit.request_id, visit.host_id, without)
    if not has_body(request.method, error.status):
        return Response(error.status, [*headers, pages.HTML], length=None)
    return Response(error.status, [*headers, pages.HTML], body, len(body))


def _pairs(error: AwsError) -> list[HeaderPair]:
    return [(name.lower().encode("ascii"), header_value(value)) for name, value in error.headers.items()]


def _shown(error: Exception) -> AwsError:
    """The error as AWS knows it; any other is a fault and goes on."""
    known = as_aws_error(error)
    if known is None:
        raise error
    return known
