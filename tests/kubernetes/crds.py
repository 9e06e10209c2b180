"""The definitions of our own kinds in config/crd, made from the types that the operator parses them with.

python -m tests.kubernetes.crds            # print them
python -m tests.kubernetes.crds --write    # write them to config/crd
"""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path
from typing import Any

import yaml
from msgspec import inspect as types

from objstore.kubernetes.kinds import OBJECT_STORE, OBJECT_STORE_USER, Kind
from objstore.kubernetes.stores.core import Part, Rule
from objstore.kubernetes.stores.spec import ObjectStoreSpec
from objstore.kubernetes.stores.status import ObjectStoreStatus, ObjectStoreUserStatus
from objstore.kubernetes.users.spec import ObjectStoreUserSpec

FOLDER = Path(__file__).parents[2] / "config" / "crd"
HEAD = "# Made by `python -m tests.kubernetes.crds --write` from the types in objstore/kubernetes.\n"

_STORE_NAME = Rule(
    "self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "a store's name is a DNS label of at most 52 characters that begins with a letter: its Services are called like it",
)
_USER_NAME = Rule(
    "self.metadata.name.size() <= 63",
    "a user's name has at most 63 characters",
)


def schema(kind: type[Part]) -> dict[str, Any]:
    """The structural schema of a part."""
    told = types.type_info(kind)
    assert isinstance(told, types.StructType)
    return _struct(told)


def _struct(told: types.StructType) -> dict[str, Any]:
    kind = told.cls
    made: dict[str, Any] = {"type": "object", "description": _text(inspect.getdoc(kind) or "")}
    required = [field.encode_name for field in told.fields if field.required]
    if required:
        made["required"] = required
    made["properties"] = {field.encode_name: _schema(field.type) for field in told.fields}
    if rules := getattr(kind, "RULES", ()):
        made["x-kubernetes-validations"] = [_rule(rule) for rule in rules]
    return made


def _schema(told: types.Type) -> dict[str, Any]:
    match told:
        case types.Metadata():
            return _schema(told.type) | (told.extra_json_schema or {})
        case types.UnionType():
            kinds = [one for one in told.types if not isinstance(one, types.NoneType)]
            if len(kinds) == 1:
                return _schema(kinds[0])
            return {"anyOf": [{"type": "integer"}, {"type": "string"}]}  # an int-or-string, which its metadata says
        case types.StructType():
            return _struct(told)
        case types.DictType():
            return {"type": "object", "additionalProperties": _schema(told.value_type)}
        case types.ListType():
            return {"type": "array", "items": _schema(told.item_type)} | _bounds(told, "Items")
        case types.StrType():
            return {"type": "string"} | ({"pattern": told.pattern} if told.pattern else {}) | _bounds(told, "Length")
        case types.IntType():
            bounds = {name: value for name, value in (("minimum", told.ge), ("maximum", told.le)) if value is not None}
            return {"type": "integer", "format": "int64"} | bounds
        case types.BoolType():
            return {"type": "boolean"}
        case types.LiteralType():
            return {"type": "string", "enum": list(told.values)}
    raise TypeError(f"no schema for {told}")


def _bounds(told: Any, what: str) -> dict[str, Any]:
    bounds = ((f"min{what}", told.min_length), (f"max{what}", told.max_length))
    return {name: value for name, value in bounds if value is not None}


def _rule(rule: Rule) -> dict[str, str]:
    return {"rule": rule.rule, "message": rule.message} | ({"fieldPath": rule.field} if rule.field else {})


def _text(text: str) -> str:
    return " ".join(text.split())


def definition(
    kind: Kind,
    *,
    spec: type[Part],
    status: type[Part],
    rule: Rule,
    short: list[str],
    columns: list[tuple[str, str, str]],
    about: str,
) -> dict[str, Any]:
    """A CustomResourceDefinition."""
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": column, "jsonPath": path} for name, column, path in columns
        ],
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": about,
                "required": ["spec"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": schema(spec),
                    "status": schema(status),
                },
                "x-kubernetes-validations": [_rule(rule)],
            }
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": short,
                "categories": ["objstore"],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def definitions() -> dict[str, dict[str, Any]]:
    """All of them, by the name of the file."""
    age = ("Age", "date", ".metadata.creationTimestamp")
    phase = ("Phase", "string", ".status.phase")
    store = definition(
        OBJECT_STORE,
        spec=ObjectStoreSpec,
        status=ObjectStoreStatus,
        rule=_STORE_NAME,
        short=["ostore"],
        columns=[
            phase,
            ("Drives", "integer", ".status.drives.desired"),
            ("Online", "integer", ".status.drives.online"),
            ("Healing", "integer", ".status.healing.shards"),
            ("Endpoint", "string", ".status.info['endpoint','secureEndpoint']"),
            age,
        ],
        about="A store: S3 on drives of its own.",
    )
    user = definition(
        OBJECT_STORE_USER,
        spec=ObjectStoreUserSpec,
        status=ObjectStoreUserStatus,
        rule=_USER_NAME,
        short=["ostoreuser"],
        columns=[
            ("Store", "string", ".spec.store"),
            phase,
            ("Secret", "string", ".status.info.secretName"),
            age,
        ],
        about="A user of a store.",
    )
    return {f"{one['metadata']['name']}.yaml": one for one in (store, user)}


def text(one: dict[str, Any]) -> str:
    return HEAD + yaml.safe_dump(one, sort_keys=False, width=10_000)


def main() -> int:
    parser = argparse.ArgumentParser(description="The definitions of our own kinds.")
    parser.add_argument("--write", action="store_true", help="write them to config/crd")
    write = parser.parse_args().write
    for name, one in definitions().items():
        if write:
            (FOLDER / name).write_text(text(one))
        else:
            print(f"--- # {name}\n{text(one)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
