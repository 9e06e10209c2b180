"""Inputs made to be slow: what reads them takes a bounded number of steps, however they are put together.

Steps are counted where they can be, and a regular expression that backtracks without end would run into the time limit
that every test has.
"""

from __future__ import annotations

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from objstore.aws import xmlbody
from objstore.aws.errors import AwsError
from objstore.aws.query import forms, protocol
from objstore.aws.service import operation_model, service
from objstore.iam.policy.parsing import BUCKET_LIMIT
from objstore.iam.policy.patterns import arn_matcher, matcher, tokens

LONG = 100_000


def texts(shape: Shape, seen: set[str]) -> dict[str, Shape]:
    """Every shape of text within a shape, by its pattern."""
    if shape.name in seen:
        return {}
    seen.add(shape.name)
    if isinstance(shape, StructureShape):
        inner = list(shape.members.values())
    elif isinstance(shape, ListShape):
        inner = [shape.member]
    elif isinstance(shape, MapShape):
        inner = [shape.key, shape.value]
    else:
        pattern = shape.metadata.get("pattern")
        return {pattern: shape} if pattern and shape.type_name == "string" else {}
    return {pattern: one for each in inner for pattern, one in texts(each, seen).items()}


PATTERNS = {
    pattern
    for name in protocol.SERVICES
    for one in service(name).operation_names
    if (shape := operation_model(one, name).input_shape) is not None
    for pattern in texts(shape, set())
}


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_patterns_of_the_model_do_not_backtrack_without_end(pattern: str) -> None:
    compiled = forms._pattern(pattern)
    assert compiled is not None
    for piece in ("a", "/", "a/", "1", "arn:aws:", ":", ".", "a.", "-", " ", "\u0e01", "a-", "=", "+"):
        for end in ("", "\x00", "!", "\n"):
            compiled.fullmatch(piece * 20_000 + end)


@pytest.mark.parametrize("repeated", ["*a", "?*", "*?a", "a*", "*ab*b", "**", "*" + "?" * 30])
def test_wildcards_of_policies(repeated: str) -> None:
    pattern = tokens((repeated * BUCKET_LIMIT)[:BUCKET_LIMIT])
    for text in ("a" * 1024, "ab" * 512, "b" * 1023 + "a"):
        matcher(pattern)(text)
        arn_matcher(pattern)("arn:aws:s3:::bucket/" + text)


def test_documents_that_grow_or_nest() -> None:
    bomb = "<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
    )
    for document in (
        f"{bomb}]><a>&j;</a>",
        "<a>" * LONG,
        "<a>" * LONG + "</a>" * LONG,
        "<a " + " ".join(f"b{n}='c'" for n in range(LONG)) + "/>",
        "<a>" + "<b/>" * (2 * LONG) + "</a>",
        "<a>" + "&#65;" * LONG,
        "<a" + "a" * LONG,
        "<!--" + "-" * LONG,
    ):
        with pytest.raises(AwsError) as caught:
            xmlbody.parse(document.encode())
        assert caught.value.code == "MalformedXML" and len(caught.value.message) < 1000


def test_forms_of_many_parameters() -> None:
    with pytest.raises(AwsError) as caught:
        forms.tree((f"a{n}", "b") for n in range(LONG))
    assert caught.value.code == "MalformedQueryString"


def test_forms_of_many_parts() -> None:
    tree, depth = forms.tree([("a." * LONG, "b")]), 0
    while isinstance(tree, dict):
        depth, tree = depth + 1, next(iter(tree.values()))
    assert depth == forms.MOST_PARTS + 1
