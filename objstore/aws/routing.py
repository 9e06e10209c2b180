"""Which operation a request means, from the addresses in AWS's model.

An address has a level (service, bucket, object), a method, and maybe parameters: `?acl` selects a sub-resource,
`?list-type=2` a variant, and members that an operation requires in query or header (`uploadId`, `x-amz-copy-source`)
tell the rest apart. The most specific operation wins. A sub-resource that has no operation for the method is
MethodNotAllowed: `DELETE /bucket/key?acl` must not delete the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from botocore.model import OperationModel, ServiceModel

from objstore.aws import quirks
from objstore.aws.errors import AwsError
from objstore.aws.forms import is_form
from objstore.aws.http import Request
from objstore.aws.operation import Resource, resource_of

POST_OBJECT: Final = "PostObject"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation and what tells it from its neighbours: literals of its address, and required members."""

    name: str
    literals: Mapping[str, str]
    parameters: frozenset[str]
    headers: frozenset[str]
    deprecated: bool

    def rank(self, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, int, bool] | None:
        """How well a request fits: fewest missing first, then most found. None when a literal differs."""
        if any(value and query.get(name) != value for name, value in self.literals.items()):
            return None
        found = len(query.keys() & self.parameters) + len(headers.keys() & self.headers)
        missing = len(self.parameters) + len(self.headers) - found
        return -missing, found + len(self.literals), not self.deprecated


@dataclass(slots=True)
class _Address:
    """All operations of one level and method: those without a sub-resource, and those with one by its name.

    `taken` are the parameters that those without a sub-resource may have.
    """

    plain: list[Route] = field(default_factory=list)
    selected: dict[str, list[Route]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def incomplete(self, query: Mapping[str, str]) -> list[Route]:
        """Operations of which a request has a parameter, but not the one that selects them: a `partNumber` without an
        `uploadId` must not replace the object."""
        routes = (route for several in self.selected.values() for route in several if not route.literals)
        return [route for route in routes if not route.parameters.isdisjoint(query.keys() - self.taken)]


class Router:
    """Finds the name of the operation that a request means, for one service."""

    def __init__(self, model: ServiceModel) -> None:
        models = [model.operation_model(name) for name in model.operation_names if name not in quirks.UNROUTED]
        self._addresses: dict[tuple[Resource, str], _Address] = {}
        self._selectors: dict[Resource, frozenset[str]] = {}
        for level in ("service", "bucket", "object"):
            of_level = [one for one in models if resource_of(one) == level]
            self._selectors[level] = _selectors(of_level)
            for one in of_level:
                self._add(level, one)

    def _add(self, level: Resource, model: OperationModel) -> None:
        route = _route(model)
        address = self._addresses.setdefault((level, model.http["method"]), _Address())
        chosen = (route.literals.keys() | route.parameters) & self._selectors[level]
        for name in chosen:
            address.selected.setdefault(name, []).append(route)
        if not chosen:
            address.plain.append(route)
            address.taken |= _query_names(model)

    def route(self, request: Request) -> str:
        """The operation's name, `POST_OBJECT` for the upload by a form, which no model knows.

        Raises MethodNotAllowed, InvalidArgument when two sub-resources are asked for, and PreconditionFailed for a POST
        to a bucket that is no form.
        """
        level: Resource = "service" if request.bucket is None else "bucket" if request.key is None else "object"
        address = self._addresses.get((level, request.method))
        if address is None:
            raise _not_allowed(request, level.upper())
        if not request.query:
            return _best(address.plain, {}, request) or _refuse(request, level)
        query = dict(reversed(request.query))
        selectors = query.keys() & self._selectors[level]
        if not selectors:
            return _best(address.incomplete(query) or address.plain, query, request) or _refuse(request, level)
        if len(selectors) > 1:
            names = ", ".join(sorted(selectors))
            raise AwsError("InvalidArgument", f"Conflicting query string parameters: {names}", ResourceType=names)
        selector = selectors.pop()
        return _best(address.selected.get(selector, ()), query, request) or _refuse(request, selector)


def _selectors(models: Iterable[OperationModel]) -> frozenset[str]:
    """The parameters that select a sub-resource at one level: bare literals, and what some operation requires and none
    merely takes (`uploadId`, but not `partNumber`, which a plain GetObject may have)."""
    routes = [(one, _route(one)) for one in models]
    literals = {name for _, route in routes for name, value in route.literals.items() if not value}
    required = {name for _, route in routes if not route.literals for name in route.parameters}
    optional = {name for one, route in routes for name in _query_names(one) if name not in route.parameters}
    return frozenset(literals | (required - optional))


def _query_names(model: OperationModel) -> set[str]:
    members = model.input_shape.members.values() if model.input_shape else ()
    return {one.serialization["name"] for one in members if one.serialization.get("location") == "querystring"}


def _route(model: OperationModel) -> Route:
    literal = model.http["requestUri"].partition("?")[2]
    literals = dict(pair.partition("=")[::2] for pair in literal.split("&")) if literal else {}
    required: dict[str, set[str]] = {"querystring": set(), "header": set()}
    if model.input_shape:
        for name in model.input_shape.required_members:
            told = model.input_shape.members[name].serialization
            if told.get("location") in required:
                required[told["location"]].add(told["name"] if told["location"] != "header" else told["name"].lower())
    return Route(
        model.name, literals, frozenset(required["querystring"]), frozenset(required["header"]), model.deprecated
    )


def _best(routes: Iterable[Route], query: Mapping[str, str], request: Request) -> str | None:
    best: tuple[tuple[int, int, bool], str] | None = None
    for route in routes:
        rank = route.rank(query, request.headers)
        if rank is not None and (best is None or rank > best[0]):
            best = rank, route.name
    return best[1] if best else None


def _refuse(request: Request, kind: str) -> str:
    if request.method == "POST" and kind == "bucket":
        if is_form(request.headers.get("content-type", "")):
            return POST_OBJECT
        raise AwsError("PreconditionFailed", Condition="Bucket POST must be of the enclosure-type multipart/form-data")
    raise _not_allowed(request, kind.upper())


def _not_allowed(request: Request, kind: str) -> AwsError:
    return AwsError("MethodNotAllowed", Method=request.method, ResourceType=kind)
