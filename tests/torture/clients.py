"""Clients: each a thread that does random S3 operations, and notes what came of them.

What is drawn depends on the seed alone; which of it meets what on the server, on the processes.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError, ResponseStreamingError
from urllib3.exceptions import HTTPError

from tests.harness import Running
from tests.torture import sealed
from tests.torture.history import Keys, Record
from tests.torture.model import ENABLED, MARKER, NULL, OK, SUSPENDED, UNKNOWN, Entry, Listed, Op
from tests.torture.values import UNTOLD, Cut, Fresh

PART = 5 << 20
SMALL, PACKED, OWN = (0, 8192), (8193, 300_000), (4_200_000, 6_000_000)
SIZES, SIZE_WEIGHTS = (SMALL, PACKED, OWN), (8, 14, 2)
SLOW_PIECE, SLOW_SECONDS = 1 << 17, 1.5  # what a slow reader takes before it rests, and for how long
REPLACED = frozenset({"404 NoSuchKey", "412 PreconditionFailed"})  # no part was copied
NOT_DONE = frozenset({"SlowDown"})  # refused before anything was done
SHUT = (BotoCoreError, HTTPError, OSError)
BROKEN = (ResponseStreamingError, IncompleteReadError)
UNREADABLE = "good data"  # of the message of a read that found too few shards


class Client:
    """One client. `wishes` are what it draws from."""

    def __init__(self, server: Running, record: Record, families: Sequence[Keys], seed: str) -> None:
        self._s3 = server.client(retries={"total_max_attempts": 1}, read_timeout=40, connect_timeout=10)
        self._record = record
        self._families = families
        self._chance = random.Random(seed)
        self._seed = seed
        self._count = 0

    def work(self, stop: threading.Event) -> None:
        """Do one thing after another."""
        while not stop.is_set():
            keys = self._chance.choice(self._families)
            wishes = _FLEETING if keys.fleeting else _SWITCHED if keys.switched else _WISHES
            wish = self._chance.choices(list(wishes), list(wishes.values()))[0]
            self._count += 1
            if not getattr(self, "_" + wish)(keys):
                time.sleep(0.1)  # the server is down, or says that it cannot

    # asking

    def _ask(self, keys: Keys, kind: str, call: Callable[[], Any], **what: Any) -> tuple[Op | None, Any]:
        """Call, and say what came of it: the operation with its answer, and the response. None: nothing was learnt."""
        begin = time.monotonic_ns()
        response: Any = None
        answer = OK
        try:
            response = call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            answer = code
            if status == 500 or UNREADABLE in str(error):  # no more drives come to harm than anything bears
                self._bad(keys, f"{kind} was answered {status}: {error}")
            if status >= 500 or code == "RequestTimeout":
                self._record.failed(kind, f"{status} {code}")
                if code in NOT_DONE:
                    return None, None
                answer = UNKNOWN
        except SHUT as error:
            self._record.failed(kind, type(error).__name__)
            answer = UNKNOWN
            if isinstance(error, BROKEN) and time.monotonic() > self._record.shaken_until:
                self._bad(keys, f"{kind} broke off, and no process had come to harm: {error!r}")
        return Op(kind, begin, time.monotonic_ns(), answer, **what), response

    def _note(self, keys: Keys, op: Op | None) -> bool:
        if op is not None:
            self._record.note(keys, op)
        return op is not None and op.answer != UNKNOWN

    def _bad(self, keys: Keys, what: str) -> None:
        self._record.violation(f"{keys.bucket}/{keys.prefix}*: {what}")

    # writing

    def _value(self) -> tuple[str, bytes]:
        low, high = self._chance.choices(SIZES, SIZE_WEIGHTS)[0]
        return self._record.values.new(self._name, self._chance.randint(low, high))

    @property
    def _name(self) -> str:
        return f"{self._seed}-{self._count}"

    def _write(self, keys: Keys, **conditions: Any) -> bool:
        key = self._chance.randrange(keys.count)
        etag, body = self._value()
        given = sealed.asked(keys.scheme, etag, self._chance)
        if conditions.get("if_absent"):
            given["IfNoneMatch"] = "*"
        if (match := conditions.get("if_match")) is not None:
            given["IfMatch"] = f'"{match}"'
        return self._finish(
            keys,
            *self._ask(
                keys,
                "put",
                lambda: self._s3.put_object(Bucket=keys.bucket, Key=keys.name(key), Body=body, **given),
                key=key,
                content=UNTOLD + etag if keys.opaque else etag,
                **conditions,
            ),
        )

    def _finish(self, keys: Keys, op: Op | None, response: Any) -> bool:
        """Note a write that is answered with an ETag and a version."""
        if op is not None and response is not None:
            etag = response.get("ETag") or response["CopyObjectResult"]["ETag"]
            fields = vars(op) | {"version": response.get("VersionId")}
            if op.content.startswith(UNTOLD):
                self._record.values.learn(etag.strip('"'), op.content.removeprefix(UNTOLD))
            elif op.kind == "put" and etag.strip('"') != op.content:
                self._bad(keys, f"the ETag of {keys.name(op.key)} is {etag}, its bytes have {op.content}")
            op = Op(**(fields | {"content": etag.strip('"')}))
        return self._note(keys, op)

    def _put(self, keys: Keys) -> bool:
        return self._write(keys)

    def _put_absent(self, keys: Keys) -> bool:
        return self._write(keys, if_absent=True)

    def _put_match(self, keys: Keys) -> bool:
        return self._write(keys, if_match=self._chance.choice(keys.contents[-3:])) if keys.contents else True

    def _append(self, keys: Keys) -> bool:
        """More bytes at the end of what a key was last known to hold, if it still does."""
        if not keys.latest or keys.opaque:
            return True
        key, old = self._chance.choice(list(keys.latest.items()))
        etag, body = self._record.values.appended(old, self._name, self._chance.choice((100, 5_000, 60_000)))
        given = {"WriteOffsetBytes": self._record.values.size(old), "IfMatch": f'"{old}"'}
        call = lambda: self._s3.put_object(Bucket=keys.bucket, Key=keys.name(key), Body=body, **given)  # noqa: E731
        return self._finish(keys, *self._ask(keys, "put", call, key=key, content=etag, if_match=old, note="append"))

    def _put_parts(self, keys: Keys) -> bool:
        """Upload parts, the last one perhaps a copy of what another key holds, and complete or abort."""
        key = self._chance.randrange(keys.count)
        named = {"Bucket": keys.bucket, "Key": keys.name(key)}
        pieces: list[Fresh | Cut] = [Fresh(f"{self._name}/{n}", PART) for n in range(self._chance.randint(0, 2))]
        source = self._chance.choice([*keys.latest.items(), (0, "")]) if self._chance.random() < 0.5 else (0, "")
        source = (0, "") if keys.opaque else source
        size = self._record.values.size(source[1]) or 0
        if size:
            start = self._chance.randrange(size)
            pieces.append(self._record.values.cut(source[1], start, self._chance.randint(1, size - start)))
        else:
            pieces.append(Fresh(f"{self._name}/last", self._chance.randint(1, 400_000)))
        given = sealed.asked(keys.scheme, self._name, self._chance)
        try:
            named["UploadId"] = self._s3.create_multipart_upload(**named, **given)["UploadId"]
            named |= sealed.brought(given)
            etags = [self._put_part(keys, named, n, piece, source) for n, piece in enumerate(pieces, 1)]
        except (ClientError, *SHUT) as error:
            self._record.failed("upload part", _short(error))
            return _short(error) in REPLACED
        etag = self._record.values.parts(pieces, etags)
        parts = [{"PartNumber": n, "ETag": one} for n, one in enumerate(etags, 1)]
        call = lambda: self._s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})  # noqa: E731
        complete = lambda: self._ask(keys, "put", call, key=key, content=etag, note="parts")  # noqa: E731
        upload = {name: value for name, value in named.items() if not name.startswith("SSE")}
        abort = lambda: self._ask(keys, "abort", lambda: self._s3.abort_multipart_upload(**upload))  # noqa: E731
        asked = self._chance.choices((complete, abort), (7, 3), k=self._chance.choice((1, 1, 2)))
        if self._chance.random() < 0.5:
            return self._ended(keys, [one() for one in asked])
        with ThreadPoolExecutor(len(asked)) as pool:
            return self._ended(keys, [one.result() for one in [pool.submit(one) for one in asked]])

    def _ended(self, keys: Keys, answers: Sequence[tuple[Op | None, Any]]) -> bool:
        """What was answered to those who completed or aborted one upload: it becomes one version at most, and all whose
        completion was a success are told of that."""
        ends = [(op, response) for op, response in answers if op is not None]
        made = [(op, response) for op, response in ends if op.kind == "put" and op.answer == OK]
        aborted = any(op.kind == "abort" and op.answer == OK for op, _ in ends)
        unclear = [op for op, _ in ends if op.answer == UNKNOWN]
        if (aborted and made) or len({(one["ETag"], one.get("VersionId", NULL)) for _, one in made}) > 1:
            self._bad(keys, f"an upload was completed and aborted, or completed twice: {[one for one, _ in ends]}")
        if made:
            begin, end = min(op.begin for op, _ in ends), min(op.end or 0 for op, _ in made)
            return self._finish(keys, Op(**(vars(made[0][0]) | {"begin": begin, "end": end})), made[0][1])
        refused = [op for op, _ in ends if op.answer not in (OK, UNKNOWN)]
        if len(ends) == len(answers) and refused and not aborted and not unclear:
            self._bad(keys, f"an upload was neither completed nor aborted: {refused}")
        puts = [op for op in unclear if op.kind == "put" and not aborted]
        if puts:
            self._note(keys, Op(**(vars(puts[0]) | {"begin": min(op.begin for op, _ in ends)})))
        return not unclear

    def _put_part(
        self, keys: Keys, upload: dict[str, str], number: int, piece: Fresh | Cut, source: tuple[int, str]
    ) -> str:
        """Send or copy a part; its ETag. What is to be copied may have been replaced: that is an error."""
        if isinstance(piece, Fresh):
            response = self._s3.upload_part(**upload, PartNumber=number, Body=piece.data())
            return str(response["ETag"]).strip('"')
        key, content = source
        copied = self._s3.upload_part_copy(
            **upload,
            PartNumber=number,
            CopySource={"Bucket": keys.bucket, "Key": keys.name(key)},
            CopySourceIfMatch=f'"{content}"',
            CopySourceRange=f"bytes={piece.start}-{piece.start + piece.size - 1}",
        )
        return str(copied["CopyPartResult"]["ETag"]).strip('"')

    def _copy(self, keys: Keys) -> bool:
        if keys.scheme:
            return self._write(keys)
        source, key = self._chance.sample(range(keys.count), 2)
        call = lambda: self._s3.copy_object(  # noqa: E731
            Bucket=keys.bucket,
            Key=keys.name(key),
            CopySource={"Bucket": keys.bucket, "Key": keys.name(source)},
        )
        return self._finish(keys, *self._ask(keys, "copy", call, key=key, source=source))

    def _rename(self, keys: Keys) -> bool:
        source, key = self._chance.sample(range(keys.count), 2)
        absent = self._chance.random() < 0.3
        given = {"DestinationIfNoneMatch": "*"} if absent else {}
        call = lambda: self._s3.rename_object(  # noqa: E731
            Bucket=keys.bucket, Key=keys.name(key), RenameSource=quote(f"{keys.bucket}/{keys.name(source)}"), **given
        )
        op, _ = self._ask(keys, "rename", call, key=key, source=source, if_absent=absent)
        return self._note(keys, op)

    def _delete(self, keys: Keys) -> bool:
        key = self._chance.randrange(keys.count)
        op, response = self._ask(
            keys, "delete", lambda: self._s3.delete_object(Bucket=keys.bucket, Key=keys.name(key)), key=key
        )
        if op is not None and response is not None:
            op = Op(**(vars(op) | {"version": response.get("VersionId")}))
        return self._note(keys, op)

    def _delete_several(self, keys: Keys) -> bool:
        """DeleteObjects: each key by itself, at some time while it runs."""
        chosen = sorted(self._chance.sample(range(keys.count), 2))
        wanted = {"Objects": [{"Key": keys.name(key)} for key in chosen]}
        op, response = self._ask(
            keys, "delete", lambda: self._s3.delete_objects(Bucket=keys.bucket, Delete=wanted), key=chosen[0]
        )
        done = {one["Key"]: one for one in (response or {}).get("Deleted", ())}
        for key in chosen if op is not None else ():
            one = done.get(keys.name(key))
            answer = UNKNOWN if response is None and op.answer == UNKNOWN else OK if one else op.answer
            if response is not None and one is None:
                answer = UNKNOWN
            version = one.get("DeleteMarkerVersionId") if one else None
            self._note(keys, Op("delete", op.begin, op.end, answer, key=key, version=version, note="several"))
        return op is not None and op.answer != UNKNOWN

    def _delete_version(self, keys: Keys) -> bool:
        if not keys.versioned or not keys.versions:
            return True
        key, version = self._chance.choice(list(keys.versions))
        call = lambda: self._s3.delete_object(Bucket=keys.bucket, Key=keys.name(key), VersionId=version)  # noqa: E731
        op, _ = self._ask(keys, "delete version", call, key=key, version=version)
        return self._note(keys, op)

    # reading

    def _get(self, keys: Keys) -> bool:
        key = self._chance.randrange(keys.count)
        return self._read(keys, key, {}, "see", {})

    def _get_range(self, keys: Keys) -> bool:
        key = self._chance.randrange(keys.count)
        start = self._chance.choice((0, 0, 1, 5_000, 1 << 20))
        return self._read(
            keys, key, {"Range": f"bytes={start}-{start + self._chance.randrange(1, 200_000)}"}, "see", {}
        )

    def _get_if(self, keys: Keys) -> bool:
        """GET with If-Match or If-None-Match: also a refusal tells of what is there."""
        if not keys.latest or keys.scheme == sealed.CUSTOMER:
            return True
        key, known = self._chance.choice(list(keys.latest.items()))
        condition, told, kind = self._chance.choice(
            (("IfMatch", "PreconditionFailed", "see other"), ("IfNoneMatch", "304", "see"))
        )
        call = lambda: self._s3.get_object(Bucket=keys.bucket, Key=keys.name(key), **{condition: f'"{known}"'})  # noqa: E731
        op, response = self._ask(keys, "see", call)
        if op is None or op.answer == UNKNOWN:
            return False
        if response is not None:
            found = response["ETag"].strip('"')
            response["Body"].close()
            if (found == known) != (condition == "IfMatch"):
                self._bad(keys, f"GET {keys.name(key)} with {condition} {known} gave {found}")
            kind, known = "see", found
        elif op.answer == "NoSuchKey":
            return self._note(keys, Op("see", op.begin, op.end, OK, seen={key: None}))
        elif op.answer != told:
            return self._note(keys, op)
        return self._note(keys, Op(kind, op.begin, op.end, OK, seen={key: known}, note=condition))

    def _get_version(self, keys: Keys) -> bool:
        if not keys.versioned or not keys.versions:
            return True
        key, version = self._chance.choice(list(keys.versions))
        return self._read(keys, key, {"VersionId": version}, "see version", {"key": key, "version": version})

    def _get_slowly(self, keys: Keys) -> bool:
        """What is deleted, overwritten or moved meanwhile is read to its end."""
        key = self._chance.randrange(keys.count)
        return self._read(keys, key, {}, "see", {}, rest=SLOW_SECONDS)

    def _read(
        self, keys: Keys, key: int, given: dict[str, Any], kind: str, what: dict[str, Any], rest: float = 0.0
    ) -> bool:
        def call() -> Any:
            response = sealed.get(self._s3, keys.name(key), self._chance, Bucket=keys.bucket, **given)
            begin = response["Body"].read(SLOW_PIECE) if rest else b""
            if len(begin) == SLOW_PIECE:
                time.sleep(rest)
            response["Data"] = begin + response["Body"].read()
            return response

        op, response = self._ask(keys, kind, call, **what)
        if op is None or op.answer == UNKNOWN:
            return False
        content: str | None = None
        if response is not None:
            content = response["ETag"].strip('"')
            if (value := sealed.value(response)) is not None:
                self._record.values.learn(content, value)
            if problem := self._unlike(content, response):
                self._bad(keys, f"GET {keys.name(key)} {given or ''}: {problem}")
        elif op.answer == "InvalidRange" or (op.answer == sealed.WRONG_KEY and keys.scheme == sealed.CUSTOMER):
            return True  # there is something, whose key was asked for when something else was there
        elif op.answer == "MethodNotAllowed" and given.get("VersionId") == NULL:
            content = MARKER
        elif op.answer not in ("NoSuchKey", "NoSuchVersion"):
            return self._note(keys, op)  # the model says whether it may be
        return self._note(keys, Op(kind, op.begin, op.end, OK, seen={key: content}, **what))

    def _unlike(self, etag: str, response: Any) -> str | None:
        data, ranged = response["Data"], response.get("ContentRange")
        if ranged is None:
            return self._record.values.differs(etag, data)
        span, _, total = ranged.removeprefix("bytes ").partition("/")
        first, last = map(int, span.split("-"))
        if int(total) != self._record.values.size(etag) or len(data) != last - first + 1:
            return f"Content-Range {ranged} with {len(data)} bytes"
        return self._record.values.differs(etag, data, first, whole=False)

    def _list(self, keys: Keys) -> bool:
        """The current objects of the family, of one moment."""
        op, response = self._ask(keys, "see", lambda: self._s3.list_objects_v2(Bucket=keys.bucket, Prefix=keys.prefix))
        if op is None or response is None:
            return self._note(keys, op)
        return self._note(keys, Op("see", op.begin, op.end, OK, seen=self._listed(keys, response), note="list"))

    def _listed(self, keys: Keys, response: Any) -> dict[int, str | None]:
        found = {}
        for one in response.get("Contents", ()):
            etag = one["ETag"].strip('"')
            found[one["Key"]] = etag
            if self._record.values.size(etag) not in ((one["Size"], None) if keys.opaque else (one["Size"],)):
                self._bad(keys, f"{one['Key']} is listed with ETag {etag} and {one['Size']} bytes")
        if strange := found.keys() - set(keys.names):
            self._bad(keys, f"listed with prefix {keys.prefix}: {strange}")
        return {key: found.get(keys.name(key)) for key in range(keys.count)}

    def _list_versions(self, keys: Keys) -> bool:
        op, answer = self._ask(keys, "see versions", lambda: versions(self._s3, keys.bucket, keys.prefix))
        if op is None or answer is None:
            return self._note(keys, op)
        rows, more = answer
        return more or self._note(keys, Op("see versions", op.begin, op.end, OK, seen=listed(keys, rows)))

    def _walk(self, keys: Keys) -> bool:
        """The whole bucket in small pages: each tells of the keys that it passes."""
        sisters = [one for one in self._families if one.bucket == keys.bucket]
        after, more = "", True
        while more:
            given = {"StartAfter": after} if after else {}
            op, page = self._ask(
                keys, "see", lambda given=given: self._s3.list_objects_v2(Bucket=keys.bucket, MaxKeys=7, **given)
            )
            if op is None or page is None:
                return self._note(keys, op)
            found = {one["Key"]: one["ETag"].strip('"') for one in page.get("Contents", ())}
            more = page["IsTruncated"]
            last = max(found, default="") if more else "\U0010ffff"
            for one in sisters:
                seen = {key: found.get(name) for key, name in enumerate(one.names) if after < name <= last}
                if seen:
                    self._note(one, Op("see", op.begin, op.end, OK, seen=seen, note="walk"))
            if more and last <= after:
                self._bad(keys, f"a page behind {after!r} ends at {last!r}")
                return False
            after = last
        return True

    def _list_prefixes(self, keys: Keys) -> bool:
        sisters = [one for one in self._families if one.bucket == keys.bucket]
        op, page = self._ask(
            keys, "see some", lambda: self._s3.list_objects_v2(Bucket=keys.bucket, Delimiter="/", MaxKeys=1000)
        )
        if op is None or page is None:
            return self._note(keys, op)
        found = {one["Prefix"] for one in page.get("CommonPrefixes", ())}
        for one in sisters:
            self._note(one, Op("see some", op.begin, op.end, OK, seen={0: one.prefix in found}))
        return True

    # buckets

    def _switch(self, keys: Keys) -> bool:
        """Switch versioning, of all families of the bucket at one moment."""
        wanted = self._chance.choice((ENABLED, SUSPENDED))
        given = {"Bucket": keys.bucket, "VersioningConfiguration": {"Status": wanted}}
        op, _ = self._ask(keys, "switch", lambda: self._s3.put_bucket_versioning(**given), content=wanted)
        sisters = [one for one in self._families if one.bucket == keys.bucket]
        return [self._note(one, op) for one in sisters] == [True] * len(sisters)

    def _create_bucket(self, keys: Keys) -> bool:
        call = lambda: self._s3.create_bucket(Bucket=keys.bucket)  # noqa: E731
        return self._note(keys, self._ask(keys, "create bucket", call, key=keys.count)[0])

    def _delete_bucket(self, keys: Keys) -> bool:
        call = lambda: self._s3.delete_bucket(Bucket=keys.bucket)  # noqa: E731
        return self._note(keys, self._ask(keys, "delete bucket", call)[0])

    def _head_bucket(self, keys: Keys) -> bool:
        op, _ = self._ask(keys, "head bucket", lambda: self._s3.head_bucket(Bucket=keys.bucket))
        if op is not None and op.answer == "404":
            op = Op(**(vars(op) | {"answer": "NoSuchBucket"}))
        return self._note(keys, op)


_WISHES = {
    "put": 12, "put_absent": 4, "put_match": 4, "put_parts": 2, "append": 4, "copy": 4, "rename": 4, "delete": 5,
    "delete_several": 2, "delete_version": 3, "get": 12, "get_range": 4, "get_if": 3, "get_version": 4, "get_slowly": 1,
    "list": 6, "list_versions": 3, "walk": 1, "list_prefixes": 1,
}  # fmt: skip
_SWITCHED = _WISHES | {"switch": 8}
_FLEETING = {"create_bucket": 5, "delete_bucket": 4, "head_bucket": 2, "put": 3, "get": 2, "list": 2, "delete": 5}


def _short(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"
    return type(error).__name__


class Row(NamedTuple):
    """A version or delete marker in a listing of versions."""

    key: str
    entry: Entry
    size: int
    latest: bool


def versions(s3: Any, bucket: str, prefix: str = "", limit: int = 1000) -> tuple[list[Row], bool]:
    """One page of a listing of versions, and whether more follow."""
    page = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=limit)
    return _rows(page), page["IsTruncated"]


def all_versions(s3: Any, bucket: str, prefix: str = "") -> list[Row]:
    """All rows, page by page."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    return [row for page in pages for row in _rows(page)]


def _rows(page: Any) -> list[Row]:
    rows = [
        Row(one["Key"], Entry(one["ETag"].strip('"'), one["VersionId"]), one["Size"], one["IsLatest"])
        for one in page.get("Versions", ())
    ]
    return rows + [
        Row(one["Key"], Entry(MARKER, one["VersionId"]), 0, one["IsLatest"]) for one in page.get("DeleteMarkers", ())
    ]


def listed(keys: Keys, rows: Sequence[Row]) -> dict[int, Listed]:
    """Rows as the model has them, for each key of a family."""
    found = {}
    for key, name in enumerate(keys.names):
        mine = [row for row in rows if row.key == name]
        latest = [row.entry for row in mine if row.latest]
        if len(latest) != bool(mine):
            latest = [Entry("more than one is the latest, or none")]
        found[key] = Listed(
            tuple(row.entry for row in mine if row.entry.content != MARKER),
            tuple(row.entry for row in mine if row.entry.content == MARKER),
            latest[0] if latest else None,
        )
    return found
