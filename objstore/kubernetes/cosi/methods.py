"""The methods of a version of COSI as a gRPC server takes them, from the descriptors of its messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from objstore.client import StoreError
from objstore.kubernetes.cosi.failure import Code, Failure, of_store

Seconds = float
"""How long a call may take that can leave off and go on when it is called again."""

Answer = Callable[[Any, Seconds], Message]

_LONGEST_S: Final = 50.0
_SPARE_S: Final = 5.0

log = logging.getLogger(__name__)


class Methods(NamedTuple):
    """A version: the file that defines its services, and what answers each of their methods, blocking."""

    definition: FileDescriptor
    answers: Mapping[str, Answer]

    def handlers(self) -> Iterator[grpc.GenericRpcHandler]:
        """One for each service."""
        for service in self.definition.services_by_name.values():
            answers = {method.name: _handler(method, self.answers[method.name]) for method in service.methods}
            yield grpc.method_handlers_generic_handler(service.full_name, answers)


def _handler(method: MethodDescriptor, answer: Answer) -> grpc.RpcMethodHandler:
    async def answered(request: Any, context: grpc.aio.ServicerContext) -> Message:
        left = context.time_remaining()
        budget = min(_LONGEST_S, max(1.0, left - _SPARE_S)) if left is not None else _LONGEST_S
        try:
            return await asyncio.to_thread(answer, request, budget)
        except Failure as error:
            failure = error
        except StoreError as error:
            failure = of_store(error)
        except Exception:
            log.exception("%s failed", method.full_name)
            failure = Failure(Code.INTERNAL, "the driver failed: its log says why")
        log.warning("%s: %s: %s", method.full_name, failure.code.name, failure.message)
        await context.abort(failure.code, failure.message)
        raise AssertionError("abort raises")

    return grpc.unary_unary_rpc_method_handler(
        answered,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )
