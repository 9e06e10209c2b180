"""The memory of a worker while a large object streams through it: the most it ever had resident, as Linux counts it."""

from __future__ import annotations

import http.client
import secrets
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from objstore.cli.bench.costs import Signer
from objstore.cli.bench.processes import peak
from objstore.cli.bench.servers import BUCKET, Server

_PART = 1 << 30
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Streamed:
    """Bytes of the object, seconds of the GET, and the bytes that the largest process had resident at its peak."""

    size: int
    seconds: float
    before: int
    peak: int


def measure(server: Server, process: int, gibibytes: int) -> Streamed:
    """Put a part of a GiB, make an object of as many copies of it, and get that whole. `process` is the supervisor."""
    signer = Signer(server)
    client = signer.client
    before = peak(process)
    upload = {"Bucket": BUCKET, "Key": "stream"}
    upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
    tags = [_put_part(signer, upload)]
    client.complete_multipart_upload(**upload, MultipartUpload=_parts(tags))
    upload["UploadId"] = client.create_multipart_upload(Bucket=BUCKET, Key="stream")["UploadId"]
    for number in range(1, gibibytes + 1):
        copied = client.upload_part_copy(**upload, PartNumber=number, CopySource=f"{BUCKET}/stream")
        tags[number - 1 :] = [copied["CopyPartResult"]["ETag"]]
    client.complete_multipart_upload(**upload, MultipartUpload=_parts(tags))
    start = time.perf_counter()
    size = _get(signer)
    return Streamed(size, time.perf_counter() - start, before, peak(process))


def _parts(tags: list[str]) -> dict[str, list[dict[str, object]]]:
    return {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]}


def _put_part(signer: Signer, upload: dict[str, str]) -> str:
    request = signer.request("part", "upload_part", {**upload, "PartNumber": 1})
    block = secrets.token_bytes(_PIECE)
    parts = urllib.parse.urlsplit(request.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    body: Iterator[bytes] = (block for _ in range(_PART // _PIECE))
    connection.request("PUT", f"{parts.path}?{parts.query}", body, {"content-length": str(_PART)})
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"the part was refused: {answer.status} {answer.read()[:500]!r}")
    connection.close()
    return answer.headers["ETag"]


def _get(signer: Signer) -> int:
    request = signer.request("stream", "get_object", {"Bucket": BUCKET, "Key": "stream"})
    parts = urllib.parse.urlsplit(request.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    buffer = bytearray(_PIECE)
    size = 0
    while got := answer.readinto(buffer):
        size += got
    connection.close()
    return size
