"""`objstore admin policy`: why a request would be allowed or refused, who may do a thing, and what a new policy would
change of yesterday's requests. What makes policies and attaches them is in `managed_policies`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from objstore.cli import managed_policies
from objstore.cli.asking import ask
from objstore.counting import number_of
from objstore.server.settings import SettingsError

PATH = "/-/admin/v1/policy"
_BATCH = 500  # lines of a log in one request


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    managed_policies.arguments(commands)
    explain = commands.add_parser("explain", help="why a request would be allowed or refused; or who may make it")
    explain.add_argument("action", metavar="ACTION", help="s3:GetObject, say")
    explain.add_argument("resource", metavar="RESOURCE", help="BUCKET, BUCKET/KEY, or an ARN")
    explain.add_argument(
        "--for",
        dest="principal",
        metavar="PRINCIPAL",
        help="whose request: an ARN, an access key, or `anonymous`; without it, everybody who may is shown",
    )
    explain.add_argument("--version-id", metavar="ID", help="of the object")
    explain.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a condition key of the request, such as aws:SourceIp=192.0.2.7; may be given again",
    )
    explain.add_argument("--json", action="store_true", help="for machines")
    explain.set_defaults(run=_explain)
    replay = commands.add_parser("replay", help="what a policy would change of the requests in an access log")
    replay.add_argument("log", metavar="LOG", help="an access log of the server; `-` is standard input")
    replay.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the new policy")
    replay.add_argument(
        "--as",
        dest="target",
        required=True,
        metavar="TARGET",
        help="bucket:NAME, whose policy it replaces; the ARN of a managed policy, which it replaces; or the ARN of a "
        "user, group or role, which gets it beside its policies",
    )
    replay.add_argument("--instead", metavar="NAME", help="the policy of the user, group or role that it replaces")
    replay.add_argument("--json", action="store_true", help="for machines: one line for each request that changes")
    replay.set_defaults(run=_replay)


def _explain(options: argparse.Namespace) -> int:
    keys: dict[str, list[str]] = {}
    for pair in options.key:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--key {pair!r} is not NAME=VALUE")
        keys.setdefault(name, []).append(value)
    question = {
        "action": options.action,
        "resource": options.resource,
        "principal": options.principal,
        "version_id": options.version_id,
        "keys": keys,
    }
    answers = ask(options, f"{PATH}/explain", "POST", question)["answers"]
    if options.json:
        print(json.dumps(answers, indent=2))
    elif options.principal is not None:
        _show_answer(answers[0], Console())
    else:
        _show_who(answers, options, Console())
    return 0


def _show_answer(answer: dict[str, Any], console: Console) -> None:
    colour = "green" if answer["allowed"] else "red"
    console.print(f"[bold]{answer['principal']}[/]: {answer['action']} on {answer['resource']}", highlight=False)
    console.print(f"[{colour}]{answer['why']}[/]", highlight=False)
    for matched in answer["matched"]:
        console.print(f"\nstatement {matched['statement']} of {matched['kind']} policy {matched['policy']}:")
        console.print(Syntax(json.dumps(matched["text"], indent=2), "json", background_color="default"))
    _show_missing(answer["missing"], console)


def _show_who(answers: list[dict[str, Any]], options: argparse.Namespace, console: Console) -> None:
    if not answers:
        console.print(f"nobody may {options.action} on {options.resource}")
        return
    table = Table("who may", "because")
    for answer in answers:
        table.add_row(answer["principal"], answer["why"].removeprefix("allowed: ").removeprefix("allowed "))
    console.print(table)
    _show_missing(sorted({key for answer in answers for key in answer["missing"]}), console)


def _show_missing(missing: list[str], console: Console) -> None:
    if missing:
        console.print(f"\npolicies look at what was not told (--key): {', '.join(missing)}", highlight=False)


def _replay(options: argparse.Namespace) -> int:
    try:
        policy = options.policy.read_text()
    except OSError as error:
        raise SettingsError(f"--policy {options.policy}: {error.strerror}") from None
    change = {"target": options.target, "policy": policy, "instead": options.instead}
    found = _Found()
    with _opened(options.log) as log:
        for lines in _batches(log):
            answer = ask(options, f"{PATH}/replay", "POST", {"change": change, "requests": lines})
            for line, outcome in zip(lines, answer["outcomes"], strict=True):
                found.add(line, outcome, as_json=options.json)
    if not options.json:
        found.show(Console())
    return 0


def _opened(path: str) -> IO[str]:
    if path == "-":
        return sys.stdin
    try:
        return Path(path).open()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def _batches(log: IO[str]) -> Iterator[list[dict[str, Any]]]:
    lines = _lines(log)
    while batch := list(itertools.islice(lines, _BATCH)):
        yield batch


def _lines(log: IO[str]) -> Iterator[dict[str, Any]]:
    """The requests of a log; what else is among them, such as notices of the server, is passed over."""
    for text in log:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "request_id" in line and "method" in line:
            yield line


class _Found:
    """What came of the requests of a log."""

    def __init__(self) -> None:
        self.asked = 0
        self.changes: Counter[tuple[str, str, str, bool, str]] = Counter()
        self.examples: dict[tuple[str, str, str, bool, str], str] = {}
        self.skipped: Counter[str] = Counter()
        self.missing: set[str] = set()

    def add(self, line: dict[str, Any], outcome: dict[str, Any], *, as_json: bool) -> None:
        before, after = outcome.get("before"), outcome.get("after")
        if before is None or after is None:
            self.skipped[outcome["skipped"]] += 1
            return
        self.asked += 1
        self.missing |= {*before["missing"], *after["missing"]}
        if before["allowed"] is after["allowed"]:
            return
        if as_json:
            print(json.dumps({"request": line, "before": before, "after": after}))
        change = (before["principal"], before["action"], line["bucket"] or "", after["allowed"], after["why"])
        self.changes[change] += 1
        self.examples.setdefault(change, before["resource"])

    def show(self, console: Console) -> None:
        refused = sum(number for change, number in self.changes.items() if not change[3])
        allowed = self.changes.total() - refused
        if self.changes:
            table = Table("who", "does", "requests", "would be", "such as")
            for change, number in self.changes.most_common():
                who, action, _, may, why = change
                colour = "green" if may else "red"
                table.add_row(who, action, f"{number:,}", f"[{colour}]{why}[/]", self.examples[change])
            console.print(table)
        console.print(
            f"of {number_of(self.asked, 'request')} [red]{refused:,} would be refused[/] that are allowed now,"
            f" [green]{allowed:,} allowed[/] that are refused now",
            highlight=False,
        )
        for reason, number in self.skipped.most_common():
            console.print(f"{number:,} left out: {reason}", highlight=False)
        if self.missing:
            console.print(f"policies look at what a log does not tell: {', '.join(sorted(self.missing))}")
