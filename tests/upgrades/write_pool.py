"""Write the pool that `test_formats.py` opens: run once for each release whose formats on the drives differ.

python -m tests.upgrades.write_pool NAME      # makes tests/upgrades/NAME.tar.xz, of some tens of KiB
"""

from __future__ import annotations

import random
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.harness import Running, serving

FOLDER = Path(__file__).parent
BUCKET = "kept"
SIZES = {"inline": 100, "packed": 9_000, "alone": 4_200_000}


def body(key: str) -> bytes:
    """The bytes of a key: few different ones, so that the archive is small."""
    return random.Random(key).randbytes(97) * (SIZES[key.partition("/")[0]] // 97)


def contents(server: Running) -> None:
    """Something of everything that there is a format for."""
    s3 = server.client()
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in SIZES:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body(key), Metadata={"of": key})
    s3.put_object(Bucket=BUCKET, Key="packed/old", Body=body("packed/old"), Tagging="of=old")
    s3.put_object(Bucket=BUCKET, Key="packed/old", Body=b"newer")
    s3.put_object(Bucket=BUCKET, Key="packed/sealed", Body=body("packed/sealed"), ServerSideEncryption="AES256")
    s3.copy_object(Bucket=BUCKET, Key="alone/copy", CopySource={"Bucket": BUCKET, "Key": "alone"})
    s3.put_object(Bucket=BUCKET, Key="gone", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=body("packed"))


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    with serving(folder, drives=2) as server, tarfile.open(FOLDER / f"{sys.argv[1]}.tar.xz", "w:xz") as archive:
        contents(server)
        server.stop()
        for drive in server.drives:
            (drive / "ballast").unlink(missing_ok=True)  # it is made again
            for path in sorted((drive / "shards").iterdir()):
                if not any(path.iterdir()):
                    path.rmdir()
            archive.add(drive, drive.name)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
