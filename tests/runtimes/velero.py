"""Velero's side of its plugins: the plugin's program is started and spoken to over gRPC, as the Velero server does.

https://github.com/hashicorp/go-plugin/blob/main/docs/guide-plugin-write-non-go.md has the handshake.
"""

from __future__ import annotations

import importlib.resources
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, message_factory
from grpc_tools import protoc

_NAME = "velero.io/aws"
_SERVICE = "generated.ObjectStore"
_CHUNK = 16384  # bytes that Velero sends at a time


class ObjectStore:
    """The object store of a running plugin. A call that fails raises grpc.RpcError with what the plugin says."""

    def __init__(self, channel: grpc.Channel, protocol: Path) -> None:
        self._channel = channel
        described = _described(protocol)
        self._messages = message_factory.GetMessages(described.file)  # type: ignore[no-untyped-call]
        (service,) = (one for file in described.file for one in file.service if one.name == "ObjectStore")
        self._methods = {method.name: method for method in service.method}

    def init(self, **settings: str) -> None:
        self._call("Init", config=settings)

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        chunks = [body[at : at + _CHUNK] for at in range(0, len(body), _CHUNK)] or [b""]
        make, call = self._method("PutObject", self._channel.stream_unary)
        call(iter([make(plugin=_NAME, bucket=bucket, key=key, body=chunk) for chunk in chunks]), timeout=120)

    def get_object(self, bucket: str, key: str) -> bytes:
        make, call = self._method("GetObject", self._channel.unary_stream)
        return b"".join(one.data for one in call(make(plugin=_NAME, bucket=bucket, key=key), timeout=120))

    def object_exists(self, bucket: str, key: str) -> bool:
        return bool(self._call("ObjectExists", bucket=bucket, key=key).exists)

    def list_objects(self, bucket: str, prefix: str) -> list[str]:
        return list(self._call("ListObjects", bucket=bucket, prefix=prefix).keys)

    def list_common_prefixes(self, bucket: str, prefix: str, delimiter: str) -> list[str]:
        return list(self._call("ListCommonPrefixes", bucket=bucket, prefix=prefix, delimiter=delimiter).prefixes)

    def delete_object(self, bucket: str, key: str) -> None:
        self._call("DeleteObject", bucket=bucket, key=key)

    def create_signed_url(self, bucket: str, key: str, seconds: int) -> str:
        return str(self._call("CreateSignedURL", bucket=bucket, key=key, ttl=seconds * 1_000_000_000).url)

    def _call(self, name: str, **fields: Any) -> Any:
        make, call = self._method(name, self._channel.unary_unary)
        return call(make(plugin=_NAME, **fields), timeout=120)

    def _method(self, name: str, kind: Any) -> tuple[Any, Any]:
        """The class of a method's request, and what calls it."""
        method = self._methods[name]
        request, response = (self._messages[one.lstrip(".")] for one in (method.input_type, method.output_type))
        return request, kind(f"/{_SERVICE}/{name}", request.SerializeToString, response.FromString)


def _described(protocol: Path) -> descriptor_pb2.FileDescriptorSet:
    """The protocol in the folder, compiled."""
    into = protocol / "ObjectStore.descriptors"
    known = importlib.resources.files("grpc_tools") / "_proto"
    arguments = [f"-I{protocol}", f"-I{known}", "--include_imports", f"--descriptor_set_out={into}"]
    assert protoc.main(["protoc", *arguments, "ObjectStore.proto"]) == 0
    return descriptor_pb2.FileDescriptorSet.FromString(into.read_bytes())


def running(program: str, protocol: Path, environment: dict[str, str], log: Path) -> Iterator[ObjectStore]:
    """Start the plugin, and end it after the one thing that this yields."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [program],
            env=environment | {"VELERO_PLUGIN": "hello", "PLUGIN_PROTOCOL_VERSIONS": "2"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        words = process.stdout.readline().strip().split("|")
        assert len(words) >= 5 and (words[0], words[4]) == ("1", "grpc"), f"{words} {log.read_text()}"
        with grpc.insecure_channel(f"{words[2]}:{words[3]}") as channel:
            yield ObjectStore(channel, protocol)
    finally:
        process.terminate()
        process.wait(30)
