"""Requester pays: the payer comes back, and others than the owner must say that they bear the cost.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html
"""

from __future__ import annotations

from typing import Any

from tests.front.wire import refused, send
from tests.harness import Running

PAID = {"RequestPayer": "requester"}


def payer(client: Any, bucket: str, who: str) -> None:
    client.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": who})


def charged(answer: dict[str, Any]) -> str | None:
    headers: dict[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return headers.get("x-amz-request-charged")


def test_the_payer_comes_back(alice: Any, shelf: str) -> None:
    assert alice.get_bucket_request_payment(Bucket=shelf)["Payer"] == "BucketOwner"
    for who in ("Requester", "BucketOwner"):
        payer(alice, shelf, who)
        assert alice.get_bucket_request_payment(Bucket=shelf)["Payer"] == who


def test_an_unknown_payer_is_malformed(server: Running, bucket: str) -> None:
    body = b"<RequestPaymentConfiguration><Payer>Nobody</Payer></RequestPaymentConfiguration>"
    assert send(server, "PUT", f"/{bucket}?requestPayment=", body).error == ("MalformedXML", 400)


def test_others_must_say_that_they_pay(alice: Any, bob: Any, nobody: Any, shelf: str) -> None:
    alice.put_bucket_acl(Bucket=shelf, ACL="public-read-write")
    alice.put_object(Bucket=shelf, Key="k", Body=b"x", ACL="public-read")
    assert charged(bob.get_object(Bucket=shelf, Key="k")) is None
    payer(alice, shelf, "Requester")
    for refusal in (bob.get_object, nobody.get_object, nobody.head_object):
        with refused("AccessDenied" if "get" in refusal.__name__ else "403", 403):
            refusal(Bucket=shelf, Key="k")
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=shelf, Key="k", **PAID)
    assert charged(bob.get_object(Bucket=shelf, Key="k", **PAID)) == "requester"
    assert charged(alice.get_object(Bucket=shelf, Key="k")) is None
    with refused("AccessDenied", 403):
        bob.list_objects_v2(Bucket=shelf)
    bob.list_objects_v2(Bucket=shelf, **PAID)
    with refused("AccessDenied", 403):
        bob.put_object(Bucket=shelf, Key="mine", Body=b"")
    assert charged(bob.put_object(Bucket=shelf, Key="mine", Body=b"", **PAID)) == "requester"


def test_a_copy_pays_for_its_source(alice: Any, bob: Any, shelf: str) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"x", ACL="public-read")
    payer(alice, shelf, "Requester")
    mine = f"{shelf}-bob"
    bob.create_bucket(Bucket=mine)
    with refused("AccessDenied", 403):
        bob.copy_object(Bucket=mine, Key="k", CopySource=f"{shelf}/k")
    assert charged(bob.copy_object(Bucket=mine, Key="k", CopySource=f"{shelf}/k", **PAID)) == "requester"
