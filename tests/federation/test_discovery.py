"""Discovery: what an issuer may answer, and how often it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from objstore.iam.federation.issuers import IssuerError, Issuers
from objstore.outbound.addresses import AllowList
from tests.federation.issuer import Issuer

DOCUMENT = "/realm/.well-known/openid-configuration"


@pytest.fixture
def fresh() -> Any:
    made = Issuer()
    yield made
    made.close()


def ask(issuer: Issuer, kid: str | None = None, *, allow: tuple[str, ...] = ("127.0.0.1",)) -> Any:
    return asyncio.run(Issuers([issuer.url], AllowList(allow)).keys(issuer.url, kid))


def test_public_keys_for_signatures_are_taken_and_no_others(fresh: Issuer) -> None:
    assert {key.kid for key in ask(fresh).keys} == {"rsa-1", "ec-1"}


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"", {}),
        (302, b"", {"location": "/realm/elsewhere"}),
        (200, b"<html>", {}),
        (200, b"[]", {}),
        (200, b"{}", {}),
        (200, b'{"issuer": "http://evil.example"}', {}),
        (200, b"{" + b" " * (1 << 20) + b"}", {}),
    ],
)
def test_a_discovery_document_that_is_none_is_an_error(fresh: Issuer, answer: Any) -> None:
    fresh.answers[DOCUMENT] = answer
    with pytest.raises(IssuerError):
        ask(fresh)
    assert "/realm/elsewhere" not in fresh.asked


@pytest.mark.parametrize("address", [None, 7, "file:///etc/passwd", "gopher://127.0.0.1/", "http://169.254.169.254/"])
def test_keys_are_not_fetched_from_just_anywhere(fresh: Issuer, address: Any) -> None:
    fresh.answers[DOCUMENT] = 200, json.dumps({"issuer": fresh.url, "jwks_uri": address}).encode(), {}
    with pytest.raises(IssuerError):
        ask(fresh)


@pytest.mark.parametrize("keys", [None, {}, [7], [{"kty": "RSA"}], [{"kty": "RSA", "n": "?", "e": "AQAB"}]])
def test_keys_that_are_none_are_an_error_or_left_out(fresh: Issuer, keys: Any) -> None:
    fresh.answers["/realm/keys"] = 200, json.dumps({"keys": keys}).encode(), {}
    with contextlib.suppress(IssuerError):
        assert len(ask(fresh).keys) == 0


def test_this_machine_is_not_asked_unless_the_administrator_lists_it(fresh: Issuer) -> None:
    with pytest.raises(IssuerError, match="not allowed"):
        ask(fresh, allow=())
    assert fresh.asked == {}


def test_new_keys_are_found_after_a_while_and_not_before(fresh: Issuer) -> None:
    now = [0.0]
    issuers = Issuers([fresh.url], AllowList(["127.0.0.1"]), clock=lambda: now[0])

    async def rotate() -> None:
        first = fresh.published
        fresh.published = first[1:]
        assert {key.kid for key in (await issuers.keys(fresh.url, "ec-1")).keys} == {"ec-1"}
        fresh.published = first
        assert "rsa-1" not in {key.kid for key in (await issuers.keys(fresh.url, "rsa-1")).keys}
        now[0] += 31
        assert "rsa-1" in {key.kid for key in (await issuers.keys(fresh.url + "/", "rsa-1")).keys}
        await issuers.keys(fresh.url, None)
        assert fresh.asked["/realm/keys"] == 2
        now[0] += 3601
        await issuers.keys(fresh.url, None)
        assert fresh.asked["/realm/keys"] == 3

    asyncio.run(rotate())
