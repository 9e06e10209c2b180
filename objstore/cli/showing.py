"""What an administrator sees: a table, or with `--json` everything for machines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def option(*parsers: argparse.ArgumentParser) -> None:
    """Add `--json` to sub-commands."""
    for parser in parsers:
        parser.add_argument("--json", action="store_true", help="for machines")


def show(options: argparse.Namespace, answer: Any, columns: Mapping[str, str] | None = None) -> int:
    """Print an answer: with `--json` as it is, else the columns (heading by name) of its rows; the exit status."""
    if options.json:
        print(json.dumps(answer, indent=2, default=_plain))
        return 0
    rows: Sequence[Mapping[str, Any]] = answer if isinstance(answer, list) else [answer]
    names = columns or {name: name for name in (rows[0] if rows else {})}
    table = Table(*names.values())
    for row in rows:
        table.add_row(*[Text(_text(row.get(name))) for name in names])
    Console(soft_wrap=True).print(table)
    return 0


def done(options: argparse.Namespace, answer: Any, sentence: str) -> int:
    """Tell that something was done; the exit status."""
    print(json.dumps(answer, indent=2, default=_plain) if options.json else sentence)
    return 0


def secret(options: argparse.Namespace, answer: Mapping[str, Any], access_key: str, secret_key: str) -> int:
    """Print a new key with its secret, which nobody can read again; the exit status."""
    if options.json:
        return show(options, answer)
    print(
        f"access key  {access_key}\nsecret key  {secret_key}\nThe secret is shown this once: nobody can read it again."
    )
    return 0


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
