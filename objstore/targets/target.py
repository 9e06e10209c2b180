"""What a target of events is: something that takes messages, and says when it could not.

A message is one JSON document with the name of what it is about (`bucket/key`) and a number that stays the same when it
is delivered again, so that targets that can will drop what they have had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class TargetError(Exception):
    """The target could not be reached, or did not take the message; it is delivered again later."""


@dataclass(frozen=True, slots=True)
class Message:
    """`gone`: what `about` names is no longer there. `time_us` is when it happened."""

    number: int
    about: str
    body: bytes
    time_us: int
    gone: bool = False


class Target(Protocol):
    """One connection, made when it is first needed and again when it broke. Messages of one name are sent in order."""

    async def send(self, message: Message) -> None:
        """Deliver; returns when the target has taken it. Raises TargetError."""
        ...

    async def close(self) -> None:
        """Let the connection go."""
        ...
