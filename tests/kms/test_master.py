"""The master key: what it seals opens with it alone, and a start with another is refused."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.kms.master import MasterKey, MasterKeyError, parse
from tests.harness import Running, serving

KEY = base64.b64encode(bytes(range(32))).decode()


@given(st.binary(max_size=200), st.binary(max_size=40), st.integers(min_value=0))
def test_what_is_sealed_opens_and_no_altered_byte_does(plaintext: bytes, context: bytes, at: int) -> None:
    key = MasterKey(bytes(32))
    sealed = key.seal(plaintext, context)
    assert key.open(sealed, context) == plaintext
    damaged = bytearray(sealed)
    damaged[at % len(damaged)] ^= 1
    for bad, where in ((bytes(damaged), context), (sealed, context + b"x"), (sealed[:-1], context), (b"", context)):
        with pytest.raises(MasterKeyError):
            key.open(bad, where)
    with pytest.raises(MasterKeyError):
        MasterKey(bytes(31) + b"\1").open(sealed, context)


def test_keys_are_32_bytes_in_base64() -> None:
    assert parse(KEY + "\n").derive("a") == MasterKey(bytes(range(32))).derive("a") != parse(KEY).derive("b")
    assert KEY not in repr(parse(KEY))
    for bad in ("", "short", base64.b64encode(bytes(31)).decode(), "ß" * 44):
        with pytest.raises(MasterKeyError):
            parse(bad)


def refusal(running: Running, **environment: str) -> str:
    """Start a server that must refuse, and what it says."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OBJSTORE_")}
    clean |= {"OBJSTORE_ROOT_USER": "someone", "OBJSTORE_ROOT_PASSWORD": "something", **environment}
    command = [sys.executable, "-m", "objstore", "server", "--address", "127.0.0.1:0", *map(str, running.drives)]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_a_lost_or_another_master_key_refuses_the_start_and_the_right_one_finds_all(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.write_text(KEY + "\n")
    with serving(tmp_path / "store", environment={"OBJSTORE_MASTER_KEY_FILE": str(file)}) as running:
        s3 = running.client()
        s3.create_bucket(Bucket="kept")
        s3.put_object(Bucket="kept", Key="a", Body=b"data" * 5000, ServerSideEncryption="AES256")
        running.stop()
        assert "master key is missing" in refusal(running)
        other = base64.b64encode(bytes(32)).decode()
        assert "not the one that this deployment began with" in refusal(running, OBJSTORE_MASTER_KEY=other)
        assert "32 bytes" in refusal(running, OBJSTORE_MASTER_KEY="nonsense")
        running.start()
        assert running.client().get_object(Bucket="kept", Key="a")["Body"].read() == b"data" * 5000
        assert KEY not in running.log.read_text()
