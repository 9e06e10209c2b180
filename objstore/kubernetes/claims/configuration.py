"""A claim's `additionalConfig`, key by key.

Rook's keys: quotas of the claim's user (`maxObjects`, `maxSize`) and of the bucket (`bucketMaxObjects`,
`bucketMaxSize`), `bucketPolicy`, `bucketLifecycle`, `bucketOwner`. Ours: `versioning`, `objectLock`, `cors`, `tags`,
`encryption`. Documents are JSON, in the shapes and with the names that S3's API gives them.
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
    read: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for key, text in (given or {}).items():
        try:
            read[key] = _value(key, text, allowed)
        except ValueError as error:
            wrong[key] = str(error)
    if read.get("objectLock") is not None and read.get("versioning") == "Suspended":
        wrong["versioning"] = "a bucket with object lock has versioning enabled"
    if wrong:
        raise ConfigurationError(wrong)
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


def readable(given: Mapping[str, Any]) -> dict[str, str]:
    """Of an additionalConfig that was accepted once, perhaps by another release or provisioner, what can be read."""
    found = {}
    for key, text in given.items():
        try:
            _value(key, text, _KEYS)
        except ValueError:
            continue
        found[key] = text
    return found


def allowed_keys(text: str) -> frozenset[str]:
    """An administrator's list of keys, by commas. Raises ConfigurationError where there is none of a name."""
    names = frozenset(name.strip() for name in text.split(",")) - {""}
    unknown = {name: _unknown(name) for name in sorted(names - _KEYS.keys())}
    if unknown:
        raise ConfigurationError(unknown)
    return names


def _value(key: str, text: Any, allowed: Collection[str]) -> Any:
    if key not in _KEYS:
        raise ValueError(_unknown(key))
    if key not in allowed:
        raise ValueError("is not allowed here; the administrator can allow it by --allow-additional-config")
    if not isinstance(text, str):
        raise ValueError(f"is a string: write {json.dumps(json.dumps(text))}")
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"is longer than {_MOST_CHARACTERS} characters")
    return _KEYS[key](text)


def _unknown(key: str) -> str:
    spelled = {one.lower().removeprefix("bucket"): one for one in reversed([*_KEYS])} | {
        one.lower(): one for one in _KEYS
    }
    near = difflib.get_close_matches(key.lower(), spelled, n=1)
    hint = f"did you mean {spelled[near[0]]}?" if near else f"known are {', '.join(_KEYS)}"
    return f"there is no such key; {hint}"


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
