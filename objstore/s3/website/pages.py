"""The pages that a website shows when it has none of its own for an error: small HTML, as AWS writes it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/CustomErrorDocSupport.html
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from objstore.aws.errors import AwsError
from objstore.aws.serialising import HeaderPair, header_value

HTML: HeaderPair = (b"content-type", b"text/html; charset=utf-8")
_NO_DOCUMENT = "An Error Occurred While Attempting to Retrieve a Custom Error Document"


def error_page(error: AwsError, request_id: str, host_id: str, without: AwsError | None = None) -> bytes:
    """The page of an error; `without` is why the website's own could not be shown."""
    title = escape(f"{error.status} {_phrase(error.status)}")
    told = _items({"Code": error.code, "Message": error.message, **error.detail})
    ids = _items({"RequestId": request_id, "HostId": host_id})
    more = ""
    if without is not None:
        inner = _items({"Code": without.code, "Message": without.message, **without.detail})
        more = f"<h3>{_NO_DOCUMENT}</h3>\n<ul>\n{inner}</ul>\n"
    return (
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{told}{ids}</ul>\n"
        f"{more}<hr/>\n</body>\n</html>\n"
    ).encode("utf-8", "replace")


def error_headers(error: AwsError) -> list[HeaderPair]:
    """What tells a program of the error, beside a page for people."""
    headers = [
        (b"x-amz-error-code", header_value(error.code)),
        (b"x-amz-error-message", header_value(error.message)),
    ]
    return headers + [(b"x-amz-error-detail-" + name.encode(), header_value(v)) for name, v in error.detail.items()]


def _items(told: dict[str, str]) -> str:
    return "".join(f"<li>{escape(name)}: {escape(value)}</li>\n" for name, value in told.items())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
