"""A claim's `additionalConfig`, key by key.

Rook's keys: quotas of the claim's user (`maxObjects`, `maxSize`) and of the bucket (`bucketMaxObjects`,
`bucketMaxSize`), `bucketPolicy`, `bucketLifecycle`, `bucketOwner`. Ours: `versioning`, `objectLock`, `cors`, `tags`,
`encryption`; and `policy`, `lifecycle` and `quotas`, which say what Rook's do. Documents are JSON, in the shapes
and with the names that S3's API gives them.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

import botocore.session
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from objstore.kubernetes import quantities

Document = Mapping[str, Any]

OF_THE_USER: Final = frozenset({"maxObjects", "maxSize"})
"""What concerns nobody but the claim: Rook's default for the keys that are allowed."""

OF_A_NEW_BUCKET: Final = OF_THE_USER | {"versioning", "objectLock", "cors", "tags", "encryption"}
"""What is allowed by default where the bucket is the claim's own."""

_MOST_CHARACTERS: Final = 256 * 1024
_FORBIDDEN: Final = "is not allowed here; the administrator can allow it by --allow-additional-config"

_QUOTAS: Final = "quotas"
_OTHERWISE: Final[Mapping[str, frozenset[str]]] = {
    "policy": frozenset({"bucketPolicy"}),
    "lifecycle": frozenset({"bucketLifecycle"}),
    _QUOTAS: frozenset({"maxObjects", "maxSize", "bucketMaxObjects", "bucketMaxSize"}),
}
"""Our names for what Rook's keys say; who allows the one allows the other."""


class ConfigurationError(ValueError):
    """What is wrong, key by key: `additionalConfig.maxSize: ...; additionalConfig.cors: ...`."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        self.wrong = dict(wrong)
        super().__init__("; ".join(f"additionalConfig.{key}: {message}" for key, message in self.wrong.items()))


@dataclass(frozen=True)
class Limits:
    """A quota. None says nothing; a negative number lifts the limit, as at Ceph."""

    objects: int | None = None
    bytes: int | None = None

    def __bool__(self) -> bool:
        return self.objects is not None or self.bytes is not None


@dataclass(frozen=True)
class Configuration:
    """What a claim asks for beside its bucket. None, or no limits: it says nothing of that."""

    user_limits: Limits = field(default_factory=Limits)
    bucket_limits: Limits = field(default_factory=Limits)
    policy: Document | None = None
    lifecycle: Document | None = None
    owner: str | None = None
    versioning: Literal["Enabled", "Suspended"] | None = None
    object_lock: Document | None = None  # ObjectLockConfiguration
    cors: Document | None = None  # CORSConfiguration
    tags: Mapping[str, str] | None = None
    encryption: Document | None = None  # ServerSideEncryptionConfiguration


def parse(given: Any, allowed: Collection[str]) -> Configuration:
    """What `additionalConfig` says. Raises ConfigurationError, with everything that is wrong."""
    if not isinstance(given or {}, Mapping):
        raise ConfigurationError({"": "is a map of strings"})
    read, wrong = _read(given or {}, allowed)
    if read.get("objectLock") is not None and read.get("versioning") == "Suspended":
        wrong["versioning"] = "a bucket with object lock has versioning enabled"
    if wrong:
        raise ConfigurationError(wrong)
    return _configuration(read)


def readable(given: Mapping[str, Any]) -> Configuration:
    """What can be read of an additionalConfig that was accepted once, perhaps by another release or provisioner."""
    return _configuration(_read(given, _KEYS)[0])


def allowed_keys(text: str) -> frozenset[str]:
    """An administrator's list of keys, by commas. Raises ConfigurationError where there is none of a name."""
    names = frozenset(name.strip() for name in text.split(",")) - {""}
    unknown = {name: _unknown(name) for name in sorted(names - _KEYS.keys() - _OTHERWISE.keys())}
    if unknown:
        raise ConfigurationError(unknown)
    return frozenset(key for name in names for key in _OTHERWISE.get(name, {name}))


def _read(given: Mapping[str, Any], allowed: Collection[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values by Rook's names, and what is wrong by the names as given. What is said twice must be the same."""
    read: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    said_by: dict[str, str] = {}
    for name, text in given.items():
        try:
            values = _values(name, text, allowed)
        except ValueError as error:
            wrong[name] = str(error)
            continue
        for key, value in values.items():
            if key in read and read[key] != value:
                wrong[name] = f"says something else than {said_by[key]}, which is the same setting: give one of them"
            else:
                read[key], said_by[key] = value, name
    return read, wrong


def _configuration(read: Mapping[str, Any]) -> Configuration:
    return Configuration(
        user_limits=Limits(read.get("maxObjects"), read.get("maxSize")),
        bucket_limits=Limits(read.get("bucketMaxObjects"), read.get("bucketMaxSize")),
        policy=read.get("bucketPolicy"),
        lifecycle=read.get("bucketLifecycle"),
        owner=read.get("bucketOwner"),
        versioning=read.get("versioning"),
        object_lock=read.get("objectLock"),
        cors=read.get("cors"),
        tags=read.get("tags"),
        encryption=read.get("encryption"),
    )


def _values(name: str, text: Any, allowed: Collection[str]) -> Mapping[str, Any]:
    """What one entry says, by Rook's names."""
    if name not in _KEYS and name not in _OTHERWISE:
        raise ValueError(_unknown(name))
    keys = _OTHERWISE.get(name, frozenset({name}))
    if keys.isdisjoint(allowed):
        raise ValueError(_FORBIDDEN)
    if not isinstance(text, str):
        raise ValueError(f"is a string: write {json.dumps(json.dumps(text))}")
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"is longer than {_MOST_CHARACTERS} characters")
    if name == _QUOTAS:
        return _quotas(text, allowed)
    (key,) = keys
    return {key: _KEYS[key](text)}


def _unknown(key: str) -> str:
    known = [*_KEYS, *_OTHERWISE]
    spelled = {one.lower(): one for one in known}
    near = difflib.get_close_matches(key.lower(), spelled, n=1)
    hint = f"did you mean {spelled[near[0]]}?" if near else f"known are {', '.join(known)}"
    return f"there is no such key; {hint}"


def _quotas(text: str, allowed: Collection[str]) -> Mapping[str, int]:
    """`{"maxSize": "5Gi", "bucketMaxObjects": 1000}`: limits by the names that they have as keys of their own."""
    limits = _json(text)
    if not isinstance(limits, dict):
        raise ValueError('is a JSON object of limits, such as {"maxSize": "5Gi"}')
    if unknown := sorted(limits.keys() - _OTHERWISE[_QUOTAS]):
        raise ValueError(f"has {', '.join(unknown)}; known are {', '.join(sorted(_OTHERWISE[_QUOTAS]))}")
    if forbidden := sorted(limits.keys() - set(allowed)):
        raise ValueError(f"{', '.join(forbidden)} {_FORBIDDEN}")
    read = {}
    for key, limit in limits.items():
        if isinstance(limit, bool) or not isinstance(limit, str | int):
            raise ValueError(f"{key} is a number or a quantity such as 5Gi, not {json.dumps(limit)[:64]}")
        try:
            read[key] = quantities.parse(limit)
        except quantities.QuantityError as error:
            raise ValueError(f"{key}: {error}") from None
    return read


def _owner(text: str) -> str:
    if not text or len(text) > 64 or not text.isprintable():
        raise ValueError("is the name of a user of the store, of 1 to 64 characters")
    return text


def _versioning(text: str) -> str:
    if text not in ("Enabled", "Suspended"):
        raise ValueError(f"is Enabled or Suspended, not {text[:64]!r}")
    return text


def _object_lock(text: str) -> Document:
    if not text.startswith("{"):
        if text != "Enabled":
            raise ValueError("is Enabled, or an ObjectLockConfiguration in JSON")
        return {"ObjectLockEnabled": "Enabled"}
    document = _document(text, "PutObjectLockConfiguration", "ObjectLockConfiguration")
    return {**document, "ObjectLockEnabled": "Enabled"}


def _encryption(text: str) -> Document:
    if not text.startswith("{"):
        if text not in ("AES256", "aws:kms"):
            raise ValueError("is AES256, aws:kms, or a ServerSideEncryptionConfiguration in JSON")
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": text}}]}
    return _document(text, "PutBucketEncryption", "ServerSideEncryptionConfiguration")


def _tags(text: str) -> Mapping[str, str]:
    tags = _json(text)
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise ValueError('is a JSON object of strings, such as {"team": "storage"}')
    return tags


def _policy(text: str) -> Document:
    policy = _json(text)
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise ValueError("is a policy in JSON, with Version and Statement")
    return policy


def _lifecycle(text: str) -> Document:
    return _document(text, "PutBucketLifecycleConfiguration", "LifecycleConfiguration")


def _cors(text: str) -> Document:
    return _document(text, "PutBucketCors", "CORSConfiguration")


def _document(text: str, operation: str, member: str) -> Document:
    """A document in the shape that a member of an operation has in S3's model."""
    document = _json(text)
    members = _s3().operation_model(operation).input_shape
    assert members is not None
    shape = members.members[member]
    report = ParamValidator().validate(document, shape)
    if report.has_errors():
        raise ValueError(f"is no {shape.name}: {report.generate_report()}".replace("\n", " "))
    assert isinstance(document, dict)
    return document


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None


@cache
def _s3() -> ServiceModel:
    return botocore.session.Session().get_service_model("s3")


_KEYS: Final[Mapping[str, Callable[[str], Any]]] = {
    "maxObjects": quantities.parse,
    "maxSize": quantities.parse,
    "bucketMaxObjects": quantities.parse,
    "bucketMaxSize": quantities.parse,
    "bucketPolicy": _policy,
    "bucketLifecycle": _lifecycle,
    "bucketOwner": _owner,
    "versioning": _versioning,
    "objectLock": _object_lock,
    "cors": _cors,
    "tags": _tags,
    "encryption": _encryption,
}
