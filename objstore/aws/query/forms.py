"""The parameters of a request: from a form to the members of an operation's input, by readers made from the model.

A form is flat; structure stands in the names: `Tags.member.1.Key=team`, `Attributes.entry.1.key=...`. It is first made
a tree, then read by the model, which also says what a value may be: whatever it says no to is told at once, in AWS's
words. A parameter that the model does not know is refused.
https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

from objstore.aws import values
from objstore.aws.errors import AwsError

Node = str | dict[str, Any]
Reader = Callable[[Node, str, list[str]], Any]

MOST_PARAMETERS: Final = 4000
MOST_PARTS: Final = 12  # of one name
_CLASSES: Final = {r"\p{L}": r"\w", r"\p{N}": "", r"\p{Z}": r"\s"}
# The model writes a range of code points beyond the first plane as Java does.
_ASTRAL: Final = (r"\u10000-\u10FFFF", r"\U00010000-\U0010FFFF")


def tree(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parameters by the parts of their names. Raises MalformedQueryString."""
    root: dict[str, Any] = {}
    for number, (name, value) in enumerate(pairs):
        if number >= MOST_PARAMETERS:
            raise AwsError("MalformedQueryString", f"There are more than {MOST_PARAMETERS} parameters.")
        *parents, last = name.split(".", MOST_PARTS)
        node: Any = root
        for part in parents:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise _contradiction(name)
        if last in node:
            raise _contradiction(name)
        node[last] = value
    return root


def _contradiction(name: str) -> AwsError:
    return AwsError("MalformedQueryString", f"The parameter {name[:200]} is given twice, or as different things.")


def compile_input(shape: StructureShape | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What reads a tree of parameters into members. Raises ValidationError, which tells all that is wrong."""
    read = _structure(shape) if shape is not None else _nothing

    def members(found: dict[str, Any]) -> dict[str, Any]:
        wrong: list[str] = []
        result: dict[str, Any] = read(found, "", wrong)
        if wrong:
            count = f"{len(wrong)} validation error{'s' if len(wrong) > 1 else ''} detected: "
            raise AwsError("ValidationError", count + "; ".join(wrong))
        return result

    return members


def _nothing(node: Node, at: str, wrong: list[str]) -> dict[str, Any]:
    assert isinstance(node, dict)
    wrong += [_unknown(name) for name in node]
    return {}


def _compile(shape: Shape) -> Reader:
    if isinstance(shape, StructureShape):
        return _structure(shape)
    if isinstance(shape, ListShape):
        return _list(shape)
    if isinstance(shape, MapShape):
        return _map(shape)
    if shape.type_name == "string":
        return _text(shape)
    return _scalar(shape)


def _structure(shape: StructureShape) -> Reader:
    readers = {
        inner.serialization.get("name", member): (member, _compile(inner)) for member, inner in shape.members.items()
    }
    required = tuple(shape.required_members)

    def structure(node: Node, at: str, wrong: list[str]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        if isinstance(node, str):
            if node:
                wrong.append(f"Value '{node[:200]}' at '{at}' failed to satisfy constraint: Member must be a structure")
            return members
        for name, value in node.items():
            known = readers.get(name)
            if known is None:
                wrong.append(_unknown(_inside(at, name)))
            else:
                members[known[0]] = known[1](value, _inside(at, _camel(known[0])), wrong)
        wrong += [_missing(_inside(at, _camel(member))) for member in required if member not in members]
        return members

    return structure


def _list(shape: ListShape) -> Reader:
    read = _compile(shape.member)
    wrapper = None if shape.serialization.get("flattened") else shape.member.serialization.get("name", "member")

    def items(node: Node, at: str, wrong: list[str]) -> list[Any]:
        if node == "":
            return []  # how an empty list is sent
        if wrapper is not None and isinstance(node, dict) and node.keys() == {wrapper}:
            node = node[wrapper]
        elif wrapper is not None:
            node = ""
        result = [read(value, f"{at}.{number}.member", wrong) for number, value in _numbered(node, at, wrong)]
        _check_length(len(result), shape, wrong, f"Value at '{at}' failed to satisfy constraint")
        return result

    return items


def _map(shape: MapShape) -> Reader:
    key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    read_key, read_value = _compile(shape.key), _compile(shape.value)

    def entries(node: Node, at: str, wrong: list[str]) -> dict[str, Any]:
        inner = node.get("entry", node) if isinstance(node, dict) else node
        result: dict[str, Any] = {}
        for number, entry in _numbered(inner, at, wrong):
            if not isinstance(entry, dict) or entry.keys() != {key, value}:
                wrong.append(_missing(f"{at}.{number}.{key}"))
                continue
            result[read_key(entry[key], at, wrong)] = read_value(entry[value], f"{at}.{number}", wrong)
        return result

    return entries


def _numbered(node: Node, at: str, wrong: list[str]) -> list[tuple[int, Node]]:
    """The items of a list in the order of their numbers."""
    names = node if isinstance(node, dict) else {"": node}
    found = {int(name): value for name, value in names.items() if name.isascii() and name.isdigit() and len(name) < 7}
    if len(found) < len(names):  # something else than numbers, or one of them twice: 1 and 01
        wrong.append(f"Value at '{at}' failed to satisfy constraint: Member must be a list")
        return []
    return sorted(found.items())


def _text(shape: Shape) -> Reader:
    pattern, allowed = _pattern(shape.metadata.get("pattern")), shape.metadata.get("enum")

    def text(node: Node, at: str, wrong: list[str]) -> str:
        if not isinstance(node, str):
            wrong.append(f"Value at '{at}' failed to satisfy constraint: Member must be a string")
            return ""
        before = len(wrong)
        shown = _value(node, at, shape)
        _check_length(len(node), shape, wrong, shown)
        if allowed and node not in allowed:
            wrong.append(f"{shown}: Member must satisfy enum value set: [{', '.join(allowed)}]")
        elif pattern is not None and not pattern.fullmatch(node) and len(wrong) == before:
            wrong.append(f"{shown}: Member must satisfy regular expression pattern: {shape.metadata['pattern']}")
        return node

    return text


def _scalar(shape: Shape) -> Reader:
    read = values.reader(shape)
    assert read is not None

    def scalar(node: Node, at: str, wrong: list[str]) -> Any:
        try:
            return read(node if isinstance(node, str) else "")
        except ValueError as error:
            wrong.append(f"{_value(node, at, shape)}: Member is {error}")
            return None

    return scalar


def _check_length(length: int, shape: Shape, wrong: list[str], what: str) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and length < least:
        wrong.append(f"{what}: Member must have length greater than or equal to {least}")
    elif most is not None and length > most:
        wrong.append(f"{what}: Member must have length less than or equal to {most}")


@cache
def _pattern(text: str | None) -> re.Pattern[str] | None:
    """A pattern of the model, which is Java's, as Python's."""
    if text is None:
        return None
    text = text.replace(*_ASTRAL)
    if r"\p{" not in text:
        return re.compile(text, re.ASCII)
    for java, python in _CLASSES.items():
        text = text.replace(java, python)
    return re.compile(text)


def _value(node: Node, at: str, shape: Shape) -> str:
    shown = "***" if shape.metadata.get("sensitive") else str(node)[:200]
    return f"Value '{shown}' at '{at}' failed to satisfy constraint"


def _missing(at: str) -> str:
    return f"Value null at '{at}' failed to satisfy constraint: Member must not be null"


def _unknown(name: str) -> str:
    return f"Parameter '{name[:200]}' is not a parameter of this action"


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _camel(name: str) -> str:
    """As AWS names members in messages: `userName`."""
    return name[:1].lower() + name[1:]


def is_sent(members: Mapping[str, Any], member: str) -> bool:
    """Whether a member says anything: not sent, empty, and an empty list say nothing."""
    return members.get(member) not in (None, "", [], {})
