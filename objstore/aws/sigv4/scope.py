"""The credential scope and the signing key that belongs to it.

A SigV4 signature is made with a key derived from the secret for one day, region and service; the scope
`AKID/20130524/us-east-1/s3/aws4_request` names that derivation. Each of the two grammars that carry a scope (header,
query) words its errors differently, so the caller says how to raise.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from objstore.aws.errors import AwsError

SERVICE = "s3"
TERMINATION = "aws4_request"

_DAY = re.compile(r"[0-9]{8}\Z")


@dataclass(frozen=True, slots=True)
class Scope:
    """A parsed credential: the access key id, and the day (`yyyymmdd`), region and service its signing key is for."""

    access_key: str
    day: str
    region: str
    service: str = SERVICE

    def __str__(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/{TERMINATION}"


@lru_cache(maxsize=1024)  # a client sends the same one all day
def parse_scope(
    credential: str, region: str | None, malformed: Callable[..., AwsError], service: str = SERVICE
) -> Scope:
    """Reads `AKID/day/region/service/aws4_request`; raises what `malformed(message, **detail)` gives.

    `region` None takes any: IAM and STS are the same everywhere.
    """
    fields = credential.rsplit("/", 4)  # an access key id may itself contain a slash
    if len(fields) != 5 or not fields[0]:
        raise malformed('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".')
    access_key, day, given_region, given_service, termination = fields
    if not _DAY.match(day):
        raise malformed(f'incorrect date format "{day}". This date in the credential must be in the format "yyyyMMdd".')
    if region is not None and given_region != region:
        # Clients that do not know the region learn it here: from the header too, since HEAD has no document.
        told = {"x-amz-bucket-region": region}
        raise malformed(f"the region '{given_region}' is wrong; expecting '{region}'", headers=told, Region=region)
    if given_service != service:
        raise malformed(f'incorrect service "{given_service}". This endpoint belongs to "{service}".')
    if termination != TERMINATION:
        raise malformed(f'incorrect terminal "{termination}". This endpoint uses "{TERMINATION}".')
    return Scope(access_key, day, given_region, service)


def service_of(credential: str) -> str | None:
    """The service that a credential names; None when it is none that can be read."""
    fields = credential.rsplit("/", 4)
    return fields[3] if len(fields) == 5 else None


@lru_cache(maxsize=4096)
def signing_key(secret: str, day: str, region: str, service: str = SERVICE) -> bytes:
    """The key that signs for one day, region and service; remembered: four HMACs are a third of a verification."""
    key = f"AWS4{secret}".encode()
    for step in (day, region, service, TERMINATION):
        key = hmac.digest(key, step.encode(), "sha256")
    return key


def signature(key: bytes, text: str) -> str:
    """The HMAC-SHA256 of ASCII text in lower-case hexadecimal."""
    made = _prepared(key).copy()
    made.update(text.encode("ascii"))
    return made.hexdigest()


@lru_cache(maxsize=4096)
def _prepared(key: bytes) -> hmac.HMAC:
    """A key's HMAC before its message: a copy costs half of a fresh one, and does not let go of the interpreter."""
    return hmac.new(key, digestmod="sha256")
