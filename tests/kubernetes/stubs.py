"""Makes the message classes of the COSI driver from its published definitions: `make stubs`.

The two versions of COSI extend protobuf's own options under the same numbers, which one process cannot hold. Nothing
uses those extensions, so they are left out.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[2]
FOLDER = Path("objstore/kubernetes/cosi/proto")
_EXTENSION = re.compile(
    r"(?ms)^extend google\.protobuf\.\w+ \{.*?^\}\n|^import \"google/protobuf/descriptor\.proto\";\n"
)


def generate(into: Path) -> list[Path]:
    """Write modules and their types below `into`, at the place that they have in the repository; their paths in it."""
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for source in sorted((ROOT / FOLDER).glob("*.proto")):
            plain = Path(folder, FOLDER, source.name)
            plain.parent.mkdir(parents=True, exist_ok=True)
            plain.write_text(_EXTENSION.sub("", source.read_text()))
            sources.append(str(plain))
        status = protoc.main(["protoc", f"-I{folder}", f"--python_out={into}", f"--pyi_out={into}", *sources])
    assert status == 0, "protoc refused the definitions"
    return sorted(path.relative_to(into) for path in (into / FOLDER).glob("*_pb2.py*"))


if __name__ == "__main__":
    sys.stdout.write("\n".join(map(str, generate(ROOT))) + "\n")
