"""What can be wrong with sealed bytes. Neither error ever carries a key or plaintext."""

from typing import ClassVar


class SealBroken(Exception):
    """Sealed bytes do not open: they were altered, cut, moved, or belong to something else."""

    code: ClassVar[str] = "InternalError"


class WrongKey(Exception):
    """The key is not the one that sealed."""
