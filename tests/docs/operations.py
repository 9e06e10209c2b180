"""The supported operations in README.md, made from the operation registry: a table of S3's, lists of the others.

python -m tests.docs.operations            # print them
python -m tests.docs.operations --write    # put them between their markers in README.md
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

import objstore.iam.api.operations
import objstore.iam.sts.operations
import objstore.s3.operations
import objstore.sns.operations  # noqa: F401 - fills the registry
from objstore.aws import quirks
from objstore.aws.operation import COMMON_MEMBERS, REGISTRY, Operation
from objstore.aws.service import operation_model, service

README = Path(__file__).parents[2] / "README.md"
BEGIN = "<!-- operations: python -m tests.docs.operations --write -->"
END = "<!-- end of operations -->"

_PAGE = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_{}.html"
_OTHERS = {"iam": "IAM", "sts": "STS", "sns": "SNS"}
_ORDER = ("service", "bucket", "object")
_FAMILIES = {
    "server-side encryption": ("SSE", "ServerSideEncryption", "CopySourceSSE", "BucketKeyEnabled"),
    "event holds": ("ObjectLockEventHold",),
}


def shown() -> str:
    """Everything between the markers, in Markdown."""
    lists = {title: sorted(one.name for one in REGISTRY.of(name)) for name, title in _OTHERS.items()}
    told = [f"{title}: {', '.join(names)}." for title, names in ({"Of S3's model not here": missing()} | lists).items()]
    return "\n\n".join([table(), *(textwrap.fill(text, 120) for text in told)])


def missing() -> list[str]:
    """The operations of S3's model that are not registered. The deprecated ones have others at the same address,
    and those that are never routed belong to other endpoints."""
    names = [name for name in service("s3").operation_names if name not in quirks.UNROUTED]
    return [name for name in names if REGISTRY.get(name) is None and not operation_model(name).deprecated]


def table() -> str:
    """The table of S3: every registered operation, and what of its input is refused with NotImplemented."""
    head = ["| Operation | On | Refused with `NotImplemented` when asked for |", "|---|---|---|"]
    rows = sorted(REGISTRY.of("s3"), key=lambda one: (_ORDER.index(one.resource), one.name))
    return "\n".join(head + [row(one) for one in rows])


def row(one: Operation) -> str:
    """One line of the table."""
    return f"| [{one.name}]({_PAGE.format(one.name)}) | {one.resource} | {', '.join(refused(one))} |"


def refused(one: Operation) -> list[str]:
    """The input that the operation does not honour: families by name, the rest as AWS names the members."""
    shape = one.model.input_shape
    left = sorted(set(shape.members if shape else ()) - one.supports - COMMON_MEMBERS)
    names = [family for family, prefixes in _FAMILIES.items() if any(member.startswith(prefixes) for member in left)]
    known = tuple(prefix for prefixes in _FAMILIES.values() for prefix in prefixes)
    return names + [f"`{member}`" for member in left if not member.startswith(known)]


def between(text: str) -> str:
    """What stands between the markers. Raises ValueError when a marker is not there exactly once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{README.name} needs each of these lines once: {BEGIN} and {END}")
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def written(text: str) -> str:
    """The text with the operations of now between its markers."""
    between(text)
    return text.partition(BEGIN)[0] + f"{BEGIN}\n\n{shown()}\n\n{END}" + text.partition(END)[2]


def main() -> int:
    parser = argparse.ArgumentParser(description="The table of supported operations.")
    parser.add_argument("--write", action="store_true", help=f"put it into {README.name}")
    if parser.parse_args().write:
        README.write_text(written(README.read_text()))
    else:
        print(shown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
