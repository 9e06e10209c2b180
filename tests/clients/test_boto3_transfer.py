"""boto3's transfer manager: uploads, downloads and copies in parts, in parallel."""

from __future__ import annotations

import io
import os
from typing import Any

from boto3.s3.transfer import TransferConfig

MIB = 1 << 20
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=8)


def test_files_go_up_and_down_in_parts(s3: Any, bucket: str, tmp_path: Any) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(33 * MIB + 5))
    s3.upload_file(str(source), bucket, "k", Config=PARTS, ExtraArgs={"Metadata": {"a": "1"}})
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"].endswith('-7"')
    s3.download_file(bucket, "k", str(target), Config=PARTS)
    assert target.read_bytes() == source.read_bytes()


def test_a_copy_in_parts(s3: Any, bucket: str) -> None:
    data = os.urandom(16 * MIB + 1)
    s3.upload_fileobj(io.BytesIO(data), bucket, "k", Config=PARTS)
    s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", Config=PARTS)
    out = io.BytesIO()
    s3.download_fileobj(bucket, "copy", out, Config=PARTS)
    assert out.getvalue() == data
