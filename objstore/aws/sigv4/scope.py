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
    """A parsed credential: the access key id, and the day (`yyyymmdd`) and region its signing key is for."""

    access_key: str
    day: str
    region: str

    def __str__(self) -> str:
        return f"{self.day}/{self.region}/{SERVICE}/{TERMINATION}"


@lru_cache(maxsize=1024)  # a client sends the same one all day
def parse_scope(credential: str, region: str, malformed: Callable[..., AwsError]) -> Scope:
    """Reads `AKID/day/region/service/aws4_request`; raises what `malformed(message, **detail)` gives."""
    fields = credential.rsplit("/", 4)  # an access key id may itself contain a slash
    if len(fields) != 5 or not fields[0]:
        raise malformed('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".')
    access_key, day, given_region, service, termination = fields
    if not _DAY.match(day):
        raise malformed(f'incorrect date format "{day}". This date in the credential must be in the format "yyyyMMdd".')
    if given_region != region:
        raise malformed(f"the region '{given_region}' is wrong; expecting '{region}'", Region=region)
    if service != SERVICE:
        raise malformed(f'incorrect service "{service}". This endpoint belongs to "{SERVICE}".')
    if termination != TERMINATION:
        raise malformed(f'incorrect terminal "{termination}". This endpoint uses "{TERMINATION}".')
    return Scope(access_key, day, region)


@lru_cache(maxsize=4096)
def signing_key(secret: str, day: str, region: str) -> bytes:
    """The key that signs for one day and region; remembered, since four HMACs are a third of a verification."""
    key = f"AWS4{secret}".encode()
    for step in (day, region, SERVICE, TERMINATION):
        key = hmac.digest(key, step.encode(), "sha256")
    return key
