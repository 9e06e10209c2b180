"""The query protocol of IAM, STS and SNS: forms, trees of parameters, and the input of every operation."""

from __future__ import annotations

from urllib.parse import urlencode

from objstore.aws.domains import Domains
from objstore.aws.errors import AwsError
from objstore.aws.http import read_request
from objstore.aws.query import faults, forms, protocol
from objstore.aws.service import operation_model, service
from tests.fuzz.target import Target, designed
from tests.fuzz.targets import heads, samples

_READERS = {
    (name, one): forms.compile_input(operation_model(one, name).input_shape)
    for name in protocol.SERVICES
    for one in service(name).operation_names
}
_HEAD = heads.write("x", "POST", "/", {"content-type": protocol.FORM})


def run(data: bytes) -> None:
    """The input is a form."""
    head = heads.read(_HEAD)
    assert head is not None
    with designed():
        parameters = protocol.read_parameters(read_request(head.scope, Domains()), data)
        action = parameters.get("Action")
        for name in protocol.SERVICES:
            read = _READERS.get((name, action)) if isinstance(action, str) else None
            if read is not None:
                try:
                    read(protocol.operands(parameters))
                except AwsError as error:
                    faults.document(error, namespace="n", request_id="r")


def _seed(name: str, operation: str) -> bytes:
    body = samples.serialised(operation, name)["body"]
    return urlencode(body).encode() if isinstance(body, dict) else body.encode()


TARGET = Target(
    "queries",
    run,
    tuple(_seed(name, one) for name, one in _READERS),
    words=(
        *("Action=", "&Version=", ".member.1", ".entry.1.key=", ".member.", "&Tags.member.1.Key=", "&DurationSeconds="),
        *("%00", "%C3%A4", "&PolicyDocument=", "=&", "."),
        *sorted({one for _, one in _READERS}),
    ),
)
