"""Objects that are encrypted: by which scheme, with whose keys, and how they are read with the right key only."""

from __future__ import annotations

import random
from typing import Any

from botocore.exceptions import ClientError

KMS_KEY = "torture"
S3, KMS, CUSTOMER = "AES256", "aws:kms", "customer"
_SCHEMES = {1: S3, 4: KMS, 7: CUSTOMER}
"""By the number of a family; some are of none."""
_SECRETS = [bytes([number]) * 32 for number in (1, 2)]
WRONG_KEY = "InvalidRequest"
"""What a read with another key is answered."""
_VALUE, _KEY = "value", "customer"
"""Metadata: what tells a value whose ETag is not that of its bytes, and whose key it needs."""


def scheme(name: str) -> str:
    """The scheme of a family by its prefix or one of its names; empty for none."""
    number = name.partition("/")[0][1:]
    return _SCHEMES.get(int(number), "") if number else ""


def asked(scheme: str, value: str, chance: random.Random) -> dict[str, Any]:
    """What has a new object encrypted, or not: both are found among the keys of a family, but for customers' keys."""
    told = {"Metadata": {_VALUE: value}} if scheme in (KMS, CUSTOMER) else {}
    if scheme == CUSTOMER:
        number = chance.randrange(len(_SECRETS))
        return {"Metadata": told["Metadata"] | {_KEY: f"{number}"}, **_customer(number)}
    if not scheme or chance.random() < 0.5:
        return told
    named = {"SSEKMSKeyId": KMS_KEY} if scheme == KMS and chance.random() < 0.7 else {}
    return {"ServerSideEncryption": scheme, **named, **told}


def brought(given: dict[str, Any]) -> dict[str, Any]:
    """What of `asked` goes with each request of an upload, too."""
    return {name: value for name, value in given.items() if name.startswith("SSECustomer")}


def value(response: Any) -> str | None:
    """What an object says that it is; None where its ETag tells."""
    told: str | None = response.get("Metadata", {}).get(_VALUE)
    return told


def get(s3: Any, name: str, chance: random.Random | None = None, **given: Any) -> Any:
    """GetObject of a key in a family. Of an object that needs a customer's key a read with another one is refused, and
    asks again with the right one: the last answer counts. Raises ClientError, AssertionError."""
    if scheme(name) != CUSTOMER:
        return s3.get_object(Key=name, **given)
    numbers = list(range(len(_SECRETS)))
    (chance or random).shuffle(numbers)
    for number in numbers:
        try:
            response = s3.get_object(Key=name, **given, **_customer(number))
        except ClientError as error:
            if error.response["Error"]["Code"] != WRONG_KEY or number == numbers[-1]:
                raise
        else:
            needed = response["Metadata"][_KEY]
            assert needed == f"{number}", f"{name} needs key {needed} and was read with key {number}"
            return response
    raise AssertionError("there are keys")


def _customer(number: int) -> dict[str, Any]:
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": _SECRETS[number]}
