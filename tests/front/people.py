"""Accounts beside root for tests at the front door: each owns its buckets, and has a key of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.harness import Running


@dataclass(frozen=True)
class Person:
    """An account of the shared server, as the configuration file gives it."""

    id: str
    name: str
    access: str
    secret: str

    @property
    def email(self) -> str:
        return f"{self.name.lower()}@example.com"

    @property
    def table(self) -> str:
        """The account as a table of the configuration file."""
        return (
            f'[[users]]\nid = "{self.id}"\nname = "{self.name}"\nemail = "{self.email}"\n'
            f'access_key = "{self.access}"\nsecret_key = "{self.secret}"\n'
        )

    def client(self, server: Running, service: str = "s3", **config: Any) -> Any:
        """A boto3 client that signs as this account."""
        return server.client(service, self.access, self.secret, **config)


ALICE = Person("a11ce0", "Alice", "AKALICEALICEALICEALI", "alice-has-a-secret")
BOB = Person("b0b000", "Bob", "AKBOBBOBBOBBOBBOBBOB", "bob-has-a-secret-too")
PEOPLE = (ALICE, BOB)
