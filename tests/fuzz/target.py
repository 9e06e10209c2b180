"""What a target is, and the errors that it may end with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from objstore.aws.errors import as_aws_error, document
from objstore.aws.query import faults


@dataclass(frozen=True)
class Target:
    """`run` takes any bytes. `words` are what the grammar is made of; `longest` bounds inputs, in bytes."""

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    words: tuple[str, ...] = ()
    longest: int = 4096


@contextlib.contextmanager
def designed(*more: type[Exception]) -> Iterator[None]:
    """Let pass what a client may be told: an error with one of AWS's codes, or one of `more`."""
    try:
        yield
    except more:
        pass
    except Exception as error:
        shown = as_aws_error(error)
        if shown is None or shown.code == "InternalError":
            raise
        told = document(shown, resource="/", request_id="0", host_id="0")  # it can be told to the client, too
        assert b"\0" not in told
        faults.document(shown, namespace="n", request_id="0")


def pieces(data: bytes, count: int) -> list[bytes]:
    """The input as `count` parts, told apart by a zero byte; those that are not there are empty."""
    parts = data.split(b"\0", count - 1)
    return parts + [b""] * (count - len(parts))
