"""Text as it stands in an XML document: escaped as AWS escapes it, quickly for the text that needs nothing.

Quotation marks are escaped too, because that is how S3 writes an ETag. A carriage return becomes a character
reference, or a reader's normalisation of line ends would change it. Control characters have no place in XML 1.0;
S3 writes keys that hold them as character references all the same (a client that expects such keys asks for
`encoding-type=url`), and so do we.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

import re
from collections.abc import Sequence

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]')
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def _reference(match: re.Match[str]) -> str:
    char = match.group()
    return _NAMED.get(char) or f"&#x{ord(char):x};"


def escape(text: str) -> str:
    """Return `text` ready to stand as the content of an element or as an attribute in double quotes."""
    return _SPECIAL.sub(_reference, text) if _SPECIAL.search(text) else text


def escape_plain(text: str) -> str:
    """Like `escape`, with what XML cannot carry replaced by U+FFFD: every parser reads the result."""
    return escape(_FORBIDDEN.sub("\ufffd", text))


def escape_many(texts: Sequence[str]) -> Sequence[str]:
    """Escape each of `texts`, all in one go: a fraction of the time that so many calls of `escape` take."""
    joined = "\n".join(texts)
    if not _SPECIAL.search(joined):
        return texts
    if joined.count("\n") != len(texts) - 1 or _FORBIDDEN.search(joined):
        return [escape(text) for text in texts]
    for char, name in _NAMED.items():  # the ampersand is the first
        joined = joined.replace(char, name)
    return joined.split("\n")
