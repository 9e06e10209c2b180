"""The policy document of an HTML form: what a form may say and how large its file may be, signed by whoever made it.

    {"expiration": "2007-12-01T12:00:00.000Z",
     "conditions": [{"bucket": "photos"}, ["starts-with", "$key", "user/eric/"], ["content-length-range", 1, 1048576]]}

Every field of the form must be named by a condition and meet it; names in any case, values as they are.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from objstore.aws.errors import AwsError

_EXPIRATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_RANGE: Final = "content-length-range"
# Fields that need no condition: those to be ignored, and checksums of a file that the policy's author has not seen.
_UNCOVERED: Final = ("x-ignore-", "x-amz-checksum-")


@dataclass(frozen=True, slots=True)
class Condition:
    """That a field has (`eq`) or begins with (`starts-with`) a value; `shown` is how the document has it."""

    operator: str
    name: str
    value: str
    shown: str

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Whether the field is there and as wanted. Of a Content-Type that is a list, every item must be.

        What may begin with anything may be left out too.
        """
        given = fields.get(self.name)
        if given is None:
            return self.operator == "starts-with" and not self.value
        if self.operator == "eq":
            return given == self.value
        if self.name != "content-type":
            return given.startswith(self.value)
        return all(item.strip().startswith(self.value) for item in given.split(","))


@dataclass(frozen=True, slots=True)
class Policy:
    """A document. `expires` in seconds since 1970; the file has from `least` to `most` bytes."""

    expires: float
    conditions: tuple[Condition, ...]
    least: int = 0
    most: int | None = None

    def check(self, fields: Mapping[str, str], exempt: frozenset[str], now: float) -> None:
        """Raise AccessDenied unless the form is as the policy wants it; fields in `exempt` need no condition."""
        if now >= self.expires:
            raise _denied("Policy expired.")
        for condition in self.conditions:
            if not condition.holds(fields):
                raise _denied(f"Policy Condition failed: {condition.shown}")
        named = {condition.name for condition in self.conditions} | exempt
        extra = [name for name in fields if name not in named and not name.startswith(_UNCOVERED)]
        if extra:
            raise _denied(f"Extra input fields: {', '.join(sorted(extra))}")


def parse_policy(text: str) -> Policy:
    """Read a document in base64. Raises InvalidPolicyDocument, which says what is wrong with it."""
    try:
        decoded = base64.b64decode(text, validate=True).decode("utf-8")
        document = json.loads(_ESCAPE.sub(_plain_escape, decoded))
    except (binascii.Error, ValueError, RecursionError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON: an object is expected.")
    for member in ("expiration", "conditions"):
        if member not in document:
            raise _invalid(f"Policy missing {member}.")
    for member in document:
        if member not in ("expiration", "conditions"):
            raise _invalid(f"Unexpected: '{member}'")
    conditions: list[Condition] = []
    least, most = 0, None
    if not isinstance(document["conditions"], list):
        raise _invalid("Invalid 'conditions': a list is expected.")
    for one in document["conditions"]:
        if isinstance(one, list) and one and str(one[0]).lower() == _RANGE:
            low, high = _range(one)
            least, most = max(least, low), high if most is None else min(most, high)
        else:
            conditions.append(_condition(one))
    return Policy(_expiration(document["expiration"]), tuple(conditions), least, most)


def _plain_escape(found: re.Match[str]) -> str:
    r"""AWS knows two escapes that JSON has not: `\$` and `\v`."""
    return {"$": "$", "v": "\\u000b"}.get(found[1], found[0])


def _expiration(text: Any) -> float:
    try:
        if not isinstance(text, str) or not _EXPIRATION.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.rstrip("Z")[:26]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _invalid(f"Invalid 'expiration' value: '{text}'") from None


def _condition(given: Any) -> Condition:
    if isinstance(given, dict):
        if len(given) != 1:
            raise _invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
        (name, value), operator = next(iter(given.items())), "eq"
        shown = json.dumps(["eq", f"${name}", value], ensure_ascii=False)
    elif isinstance(given, list) and len(given) == 3 and all(isinstance(part, str) for part in given):
        operator, name, value = given[0].lower(), given[1], given[2]
        if operator not in ("eq", "starts-with"):
            raise _invalid(f"Invalid condition: unknown operator '{given[0]}'")
        if not name.startswith("$"):
            raise _invalid(f"Invalid condition: the field '{name}' must begin with '$'")
        name, shown = name[1:], json.dumps(given, ensure_ascii=False)
    else:
        raise _invalid(f"Invalid condition: {json.dumps(given, ensure_ascii=False)[:200]}")
    if not isinstance(value, str):
        raise _invalid("Invalid Simple-Condition: the value of a condition must be a string.")
    return Condition(operator, name.lower(), value, shown)


def _range(given: Sequence[Any]) -> tuple[int, int]:
    try:
        _, low, high = given
        least, most = int(low), int(high)
    except (TypeError, ValueError, OverflowError):
        raise _invalid(f"Invalid {_RANGE}: two numbers of bytes are expected.") from None
    if not 0 <= least <= most:
        raise _invalid(f"Invalid {_RANGE}: it must go up from 0 or more.")
    return least, most


def _denied(why: str) -> AwsError:
    return AwsError("AccessDenied", f"Invalid according to Policy: {why}")


def _invalid(why: str) -> AwsError:
    return AwsError("InvalidPolicyDocument", f"Invalid Policy: {why}")
