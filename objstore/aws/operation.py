"""An operation: what a handler is told (`Call`), what it answers (`Reply` or a dict), and the registry of them all.

    @operation("PutBucketVersioning", action="s3:PutBucketVersioning", supports={"VersioningConfiguration"})
    async def put_bucket_versioning(call: Call, context: Context) -> dict[str, object]:
        ...

Importing the module that holds the function registers it. Names are those of AWS's service model, and so are the
members that come in and go out; a wrong name is noticed at import. A request that carries a member outside `supports`
is refused with NotImplemented before the handler runs: nothing the client asks for is quietly ignored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from objstore.aws.authentication import Scheme
from objstore.aws.service import operation_model

if TYPE_CHECKING:
    from botocore.model import OperationModel

    from objstore.aws.body import Body
    from objstore.aws.http import Request
    from objstore.aws.principal import Principal

Resource = Literal["service", "bucket", "object"]
Members = dict[str, Any]
Handler = Callable[["Call", Any], Awaitable["Members | Reply | None"]]
Concerns = Callable[["Call", Any], str]

MEBIBYTE: Final = 1 << 20

# Members that the wire itself honours, or that change nothing in a store without accounts and invoices.
COMMON_MEMBERS: Final = frozenset(
    {
        "Bucket",
        "Key",
        "Body",
        "ContentLength",
        "ContentMD5",
        "ExpectedBucketOwner",
        "ExpectedSourceBucketOwner",
        "RequestPayer",
        "ChecksumAlgorithm",
        "ChecksumMode",
        "ChecksumCRC32",
        "ChecksumCRC32C",
        "ChecksumCRC64NVME",
        "ChecksumSHA1",
        "ChecksumSHA256",
        "ChecksumSHA512",
        "ChecksumMD5",
        "ChecksumXXHASH64",
        "ChecksumXXHASH3",
        "ChecksumXXHASH128",
        "ChecksumType",
    }
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One registered operation. `body_limit` bounds, in bytes, a body that is a document rather than a stream.

    `concerns` gives the ARN that the action is on where bucket and key do not tell: for other services than S3.
    `weighs_document`: whether it is allowed depends on the document, which is read before the gate is asked.
    """

    name: str
    model: OperationModel
    action: str
    handler: Handler
    supports: frozenset[str]
    resource: Resource
    body_limit: int = MEBIBYTE
    service: str = "s3"
    concerns: Concerns | None = None
    weighs_document: bool = False


@dataclass(slots=True)
class Call:
    """A request that has been authenticated, routed and parsed, as its handler sees it.

    `members` holds the input by the model's names: only those the client sent, plus Bucket and Key. `body` gives the
    bytes of a streaming operation (PutObject, UploadPart); a document body has been read already and is a member.
    `notes` is for what one step tells a later one about the request, such as the gate the access log; `headers` go out
    with an answer that is no error. `scheme` is how it was signed.
    """

    operation: Operation
    request: Request
    request_id: str
    principal: Principal
    members: Members
    body: Body
    region: str = "us-east-1"
    notes: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    scheme: Scheme = Scheme.ANONYMOUS

    def __getitem__(self, name: str) -> Any:
        return self.members[name]

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def get(self, name: str, default: Any = None) -> Any:
        return self.members.get(name, default)

    @property
    def bucket(self) -> str:
        """The bucket's name. Raises KeyError for an operation on the service itself."""
        return str(self.members["Bucket"])

    @property
    def key(self) -> str:
        """The object's key. Raises KeyError for an operation that has none."""
        return str(self.members["Key"])


class Reply(msgspec.Struct, frozen=True):
    """What a handler answers when a dict of output members does not say it all.

    `status` overrides the model's (206 for a range), `headers` are added as they are. A streaming member (`Body`) is
    bytes or an asynchronous iterator of buffers; beside an iterator, `ContentLength` must be there.
    """

    members: Mapping[str, Any] = msgspec.field(default_factory=dict)
    status: int | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Registry:
    """The operations that handlers were written for, by name. One for each process; tests make their own."""

    def __init__(self) -> None:
        self._operations: dict[tuple[str, str], Operation] = {}

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations.values())

    def __len__(self) -> int:
        return len(self._operations)

    def get(self, name: str, service: str = "s3") -> Operation | None:
        return self._operations.get((service, name))

    def of(self, service: str) -> list[Operation]:
        """The operations of one service."""
        return [one for one in self._operations.values() if one.service == service]

    def add(self, registered: Operation) -> None:
        """Register.

        Raises ValueError when the name is taken, when `supports` names a member that the operation has not, and when
        the gate could not decide about it: it has no action of its service.
        """
        shape = registered.model.input_shape
        unknown = registered.supports - set(shape.members if shape else ())
        if unknown:
            raise ValueError(f"{registered.name} has no input member {', '.join(sorted(unknown))}")
        service, colon, action = registered.action.partition(":")
        if service != registered.service or not colon or not action.isalpha():
            raise ValueError(f"{registered.name} has no action of {registered.service}: {registered.action!r}")
        name = registered.service, registered.name
        if name in self._operations:
            raise ValueError(f"{registered.name} is registered twice")
        self._operations[name] = registered


REGISTRY: Final = Registry()


def resource_of(model: OperationModel) -> Resource:
    """Which kind of resource the operation's own address names."""
    path = model.http["requestUri"].partition("?")[0]
    return "object" if "{Key" in path else "bucket" if "{Bucket}" in path else "service"


def operation(
    name: str,
    *,
    action: str,
    supports: Collection[str] = (),
    body_limit: int = MEBIBYTE,
    weighs_document: bool = False,
    registry: Registry = REGISTRY,
    service: str = "s3",
    concerns: Concerns | None = None,
) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of the operation `name` of a service.

    `action` is the IAM action it needs ("s3:PutObject"); `supports` names the input members it honours beyond those
    that are required or in `COMMON_MEMBERS`; `weighs_document` is for those few whose document decides whether they are
    allowed. Raises ValueError at import for a name that the model does not know.
    """
    model = operation_model(name, service)
    required = model.input_shape.required_members if model.input_shape else []

    def register(handler: Handler) -> Handler:
        members = frozenset(supports) | frozenset(required)
        resource = resource_of(model)
        registry.add(
            Operation(name, model, action, handler, members, resource, body_limit, service, concerns, weighs_document)
        )
        return handler

    return register
