"""JSON Web Tokens of OpenID Connect issuers: read without trust, then verified.

What an issuer signs is believed only when the configuration lists it, the signature is by one of its public keys with
an algorithm for public keys, and the time is right. A token says itself which key and algorithm it was signed with, so
neither is taken from it unchecked: `none` and everything symmetric are refused before any key is looked at.
https://datatracker.ietf.org/doc/html/rfc8725
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from objstore.aws.errors import AwsError
from objstore.iam.federation.issuers import IssuerError, Issuers

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
LEEWAY: Final = 60  # seconds that clocks may differ

_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC"}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: of whom, for whom, and everything else."""

    issuer: str
    subject: str
    audiences: tuple[str, ...]
    authorized_party: str | None
    all: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unverified:
    """The parts of a token that say which key would verify it."""

    issuer: str
    algorithm: str
    kid: str | None
    header: dict[str, Any]


def invalid(why: str) -> AwsError:
    """InvalidIdentityToken, with the reason."""
    return AwsError("InvalidIdentityToken", why)


def peek(token: str) -> Unverified:
    """What a token says of its issuer and key. Raises InvalidIdentityToken."""
    parts = token.split(".")
    if len(parts) != 3 or not parts[2]:
        raise invalid("The ID Token provided is not a valid JWT. (It must be signed.)")
    header, payload = _object(parts[0]), _object(parts[1])
    algorithm, kid, issuer = header.get("alg"), header.get("kid"), payload.get("iss")
    if algorithm not in ALGORITHMS:
        raise invalid("The ID Token is not signed by an algorithm with public keys.")
    if "crit" in header or not isinstance(kid, str | None):
        raise invalid("The header of the ID Token cannot be understood.")
    if not isinstance(issuer, str) or not issuer:
        raise invalid("Missing a required claim: iss")
    return Unverified(issuer, algorithm, kid, header)


def _object(part: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise invalid("The ID Token provided is not a valid JWT.")
    return found


async def verify(token: str, seen: Unverified, issuers: Issuers, now: float) -> Claims:
    """The claims of a token, verified at `now` (Unix seconds).

    Raises InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError.
    """
    try:
        keys = await issuers.keys(seen.issuer, seen.kid)
    except IssuerError as error:
        raise AwsError("IDPCommunicationError", str(error)) from None
    claims = _payload(token, keys, seen)
    if claims.get("iss") != seen.issuer:
        raise invalid("The ID Token names two issuers.")
    _check_times(claims, now)
    subject, audience, party = claims.get("sub"), claims.get("aud"), claims.get("azp")
    audiences = (audience,) if isinstance(audience, str) else tuple(audience) if isinstance(audience, list) else ()
    if not isinstance(subject, str) or not subject:
        raise invalid("Missing a required claim: sub")
    if not audiences or not all(isinstance(one, str) and one for one in audiences):
        raise invalid("Missing a required claim: aud")
    if not isinstance(party, str | None):
        raise invalid("The claim azp of the ID Token is no text.")
    return Claims(seen.issuer, subject, audiences, party, claims)


def _payload(token: str, keys: KeySet, seen: Unverified) -> dict[str, Any]:
    """What was signed, when one of the issuer's keys of the right type signed it."""
    wanted = _KEY_TYPES[seen.algorithm[:2]]
    for key in keys.keys:
        if key.key_type != wanted or (seen.kid is not None and key.kid not in (None, seen.kid)):
            continue
        try:
            verified = jws.deserialize_compact(token, key, algorithms=[seen.algorithm])
            found = msgspec.json.decode(verified.payload)
        except (JoseError, ValueError, msgspec.MsgspecError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    raise invalid("Couldn't retrieve verification key from your identity provider, or the signature is wrong.")


def _check_times(claims: dict[str, Any], now: float) -> None:
    ends, begins, issued = claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)
    if not isinstance(ends, int | float) or not _is_time(ends):
        raise invalid("Missing a required claim: exp")
    if not _is_time(begins) or not _is_time(issued):
        raise invalid("The claims nbf and iat of the ID Token are no times.")
    if now >= ends + LEEWAY:
        raise AwsError("ExpiredTokenException", f"Token expired: current time is {int(now)} and it ended at {ends}")
    if max(begins, issued) > now + LEEWAY:
        raise invalid("The ID Token is not valid yet.")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
