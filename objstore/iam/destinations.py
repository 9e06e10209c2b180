"""Where events may be sent: the targets that the configuration names, and topics that let the caller publish."""

from __future__ import annotations

from collections.abc import Collection

from objstore.aws.errors import AwsError
from objstore.aws.principal import Principal
from objstore.targets.settings import TargetEntry, named


class Destinations:
    """What a bucket's notification configuration may name."""

    def __init__(self, entries: Collection[TargetEntry] = ()) -> None:
        self._targets = {(entry.id, entry.kind) for entry in entries}

    def require(self, arn: str, principal: Principal) -> None:
        """Raise InvalidArgument for a destination that is not there, AccessDenied for one that refuses the caller."""
        if named(arn) not in self._targets:
            raise AwsError(
                "InvalidArgument",
                "Unable to validate the following destination configurations",
                ArgumentName=arn,
                ArgumentValue="The destination does not exist: name it in the server's configuration",
            )
