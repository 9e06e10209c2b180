"""Amazon Resource Names: `arn:partition:service:region:account:resource`.

Account ids are AWS's twelve digits, or any short word: deployments that come from elsewhere have such. An empty account
is one that the name leaves open.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

PARTITIONS: Final = ("aws", "aws-cn", "aws-us-gov")
ACCOUNT: Final = re.compile(r"[A-Za-z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Arn:
    """An ARN in its fields."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse_arn(text: str) -> Arn | None:
    """The fields of an ARN; None for what is none."""
    fields = text.split(":", 5)
    if len(fields) != 6 or fields[0] != "arn":
        return None
    return Arn(*fields[1:])
