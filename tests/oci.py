"""Container images as files: an OCI image layout written by hand.
https://github.com/opencontainers/image-spec/blob/main/image-layout.md"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def layer(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed layer with these files by their paths, the same bytes for the same files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(files[path]), 0o644
            tar.addfile(member, io.BytesIO(files[path]))
    return archive.getvalue()


@dataclass(frozen=True)
class Layout:
    """A folder in the form of an OCI image layout; skopeo and buildah name an image in it `oci:FOLDER:TAG`."""

    folder: Path

    def blob(self, digest: str) -> bytes:
        return (self.folder / "blobs" / digest.replace(":", "/")).read_bytes()

    def digests(self) -> set[str]:
        return {f"sha256:{path.name}" for path in (self.folder / "blobs" / "sha256").iterdir()}

    def manifest(self, tag: str) -> dict[str, Any]:
        index = json.loads((self.folder / "index.json").read_text())
        named = [one for one in index["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == tag]
        assert len(named) == 1, f"{tag} in {index}"
        return dict(json.loads(self.blob(named[0]["digest"])))

    def config(self, tag: str) -> dict[str, Any]:
        return dict(json.loads(self.blob(self.manifest(tag)["config"]["digest"])))

    def layers(self, tag: str) -> list[bytes]:
        """The uncompressed layers of an image, lowest first."""
        described = self.manifest(tag)["layers"]
        blobs = [(one["mediaType"], self.blob(one["digest"])) for one in described]
        return [gzip.decompress(blob) if kind.endswith("gzip") else blob for kind, blob in blobs]

    def add(self, tag: str, layers: Sequence[bytes], config: Mapping[str, Any] | None = None) -> str:
        """Add an image of these uncompressed layers; the digest of its manifest."""
        (self.folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        described = {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._store(_CONFIG, json.dumps(described).encode()),
            "layers": [self._store(_LAYER, gzip.compress(one, compresslevel=1, mtime=0)) for one in layers],
        }
        descriptor = self._store(_MANIFEST, json.dumps(manifest).encode())
        index = self.folder / "index.json"
        known = json.loads(index.read_text())["manifests"] if index.exists() else []
        named = descriptor | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        index.write_text(json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [*known, named]}))
        return str(descriptor["digest"])

    def _store(self, media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}
