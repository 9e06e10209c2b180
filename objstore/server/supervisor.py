"""The supervisor: has the drives and the catalog made ready, starts the other processes, and keeps them running.

It serves nothing itself. It holds the locks of the drives, which its children inherit (see `holds`), so that a second
server on the same drives is refused for as long as any process of this one lives. It opens nothing else, so that it can
fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

import msgspec
from rich.console import Console
from rich.markup import escape

from objstore.catalog.catalog import Catalog, attach
from objstore.catalog.errors import CatalogError, ReadOnly
from objstore.catalog.shared import commit_lock
from objstore.catalog.startup import start
from objstore.counting import number_of
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError, DriveLocked, DriveReadOnly
from objstore.drives.inspection import Inspection, inspect
from objstore.drives.lock import lock_drive, share, sign_apart
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.state import DriveState
from objstore.jobs import census, doubts
from objstore.kms import keyring, master
from objstore.server import credentials, engines, runtime
from objstore.server.access import configure_logging
from objstore.server.certificates import Certificate
from objstore.server.children import Child, Orders
from objstore.server.forking import Apart, Lifeline
from objstore.server.sealed_values import RESEALERS
from objstore.server.secret_files import Exposed, require_private
from objstore.server.settings import STORED, Kms, Settings, SettingsError
from objstore.server.slots import find_slots
from objstore.server.sockets import listen
from objstore.server.traffic import Traffic

_TICK = 0.05


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit status. Raises SettingsError when it cannot begin."""
    configure_logging()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for connections and shard files; children inherit it
    _check_certificate(settings)
    with runtime.directory() as (folder, _), contextlib.ExitStack() as stack:
        lifeline = stack.enter_context(contextlib.closing(Lifeline()))
        with Apart(lifeline, lambda: _look(settings)) as looking:
            settings = looking.answer()
        locks = _lock_drives(settings)
        for fd in locks:
            stack.callback(os.close, fd)
        with Apart(lifeline, lambda: _prepare(settings, folder, locks)) as preparing:
            become = _load(folder)
            begun = preparing.answer()
        _share(locks)
        sockets = [tuple(stack.enter_context(one) for one in each) for each in listen(settings)]
        traffic = Traffic(len(sockets))

        def opened() -> IO[bytes]:
            return stack.enter_context(commit_lock(folder))

        everyone = [
            *(
                Orders("worker", number, settings, folder, traffic, opened(), each)
                for number, each in enumerate(sockets)
            ),
            Orders("jobs", 0, settings, folder, traffic, opened(), doubtful=begun.doubtful),
        ]
        children = [Child(one, lifeline, become, _of_siblings(one, everyone)) for one in everyone]
        for child in children:
            child.start()
        _announce(settings, sockets[0][0].getsockname()[1], begun)
        _supervise(children, settings.limits.drain_seconds + 5.0)
    return 0


def _of_siblings(one: Orders, everyone: Iterable[Orders]) -> list[socket.socket | IO[bytes]]:
    """What the other children were given, and this one is not to have."""
    others = [other for other in everyone if other is not one]
    return [*itertools.chain.from_iterable(other.sockets for other in others), *(other.commits for other in others)]


def _load(folder: Path) -> Callable[[Orders], None]:
    """Import all that children need; what makes one of this process."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(runtime.metrics(folder))  # before prometheus_client is imported
    from objstore.server.process import become

    return become


def _look(settings: Settings) -> Settings:
    """The settings with the paths at which drives are looked for, whose folders are there. Raises SettingsError."""
    named = [Path(path) for path in settings.drives]
    _refuse_foreign(inspect(named, deadline=settings.drive_deadline))
    settings = _with_slots(settings, named)
    _make_folders(settings)
    return settings


def _check_certificate(settings: Settings) -> None:
    """Raise SettingsError where TLS could not be spoken: workers would only begin again and again."""
    if settings.tls_cert is None or settings.tls_key is None:
        return
    try:
        Certificate(settings.tls_cert, settings.tls_key).check()
        require_private(Path(settings.tls_key), "tls_key")
    except Exposed as error:
        raise SettingsError(str(error)) from None
    except OSError as error:  # an ssl.SSLError is one too
        raise SettingsError(
            f"TLS: certificate {settings.tls_cert} and key {settings.tls_key} cannot be used: {error.strerror or error}"
        ) from None


def _with_slots(settings: Settings, named: list[Path]) -> Settings:
    """The settings with the paths at which drives are looked for. Raises SettingsError."""
    paths, notes = find_slots(named, settings.drive_deadline)
    for note in notes:
        print(f"objstore: {note}", file=sys.stderr, flush=True)  # noqa: T201
    return msgspec.structs.replace(settings, drives=tuple(map(str, paths)))


def _make_folders(settings: Settings) -> None:
    """Make the folders of a deployment that has never run: before they are locked, so that of two first starts one is
    refused. Raises SettingsError."""
    paths = [Path(path) for path in settings.drives]
    if not _never_ran(inspect(paths, deadline=settings.drive_deadline)):
        return
    for path in paths:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"drive {path}: the folder cannot be made: {error.strerror}") from None


def _lock_drives(settings: Settings) -> list[int]:
    """Lock every drive whose folder is there. Raises SettingsError for one that another server has.

    Children whose supervisor was killed are waited for: they drain and go by themselves.
    """
    locks: list[int] = []
    deadline = time.monotonic() + settings.limits.drain_seconds + 5.0
    for path in (path for path in map(Path, settings.drives) if path.is_dir()):
        while True:
            try:
                locks.append(lock_drive(path, signed=False))
                break
            except DriveReadOnly:
                break  # nothing will be written to it
            except DriveLocked as error:
                if _lives(error.holder) or time.monotonic() > deadline:
                    raise SettingsError(str(error)) from None
                time.sleep(_TICK)
            except DriveError as error:
                raise SettingsError(str(error)) from None
    return locks


def _share(locks: Iterable[int]) -> None:
    """Let children hold the drives too. Raises SettingsError."""
    try:
        for fd in locks:
            share(fd)
    except DriveError as error:
        raise SettingsError(str(error)) from None


def _lives(process: int | None) -> bool:
    """Whether there is such a process; one that is not known counts as alive."""
    if process is None:
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class _Begun(NamedTuple):
    """What a start found and made: the parity, the drives that are not online with what is wrong, credentials that were
    generated now, and the ids of drives that are to be looked through, with how often each was begun to be."""

    parity: int
    away: dict[str, str]
    generated: tuple[str, str] | None
    doubtful: tuple[tuple[str, int], ...]


def _prepare(settings: Settings, folder: Path, locks: Iterable[int] = ()) -> _Begun:
    """Sign the locks for this process's parent; format what is new, start the catalog, settle root's credentials.
    Raises SettingsError."""
    for fd in locks:  # here, for the supervisor has no thread that a disk could keep instead of it
        sign_apart(fd, os.getppid())
    try:
        return _prepared(settings, folder)
    except (CatalogError, DriveError, master.MasterKeyError) as error:
        raise SettingsError(str(error)) from None


def _prepared(settings: Settings, folder: Path) -> _Begun:
    paths = [Path(path) for path in settings.drives]
    strict = settings.durability == "strict"
    found = inspect(paths, deadline=settings.drive_deadline)
    if _never_ran(found):
        format_new_drives(found)
    pool = Pool.open(paths, parity=settings.parity, strict=strict, deadline=settings.drive_deadline)
    try:
        _refuse_foreign(pool.drives)
        start(pool, folder, strict=strict, accept_loss=settings.accept_loss)
        secrets = _secrets(settings, pool, folder, strict=strict)
        doubtful = _doubtful(found, pool, folder, strict=strict)
        away = [drive for drive in pool.drives if drive.state not in (DriveState.ONLINE, DriveState.NEW)]
        problems = {str(drive.path): drive.problem or drive.state.value for drive in away}
        return _Begun(pool.parity, problems, secrets, doubtful)
    finally:
        pool.close()


def _doubtful(found: list[Inspection], pool: Pool, folder: Path, *, strict: bool) -> tuple[tuple[str, int], ...]:
    """Have the drives looked through that cannot be believed as they are; `found` is what was there before the start.
    Gives those for which that could not be noted, while the store is read-only, and how often each was begun."""
    catalog = attach(pool, folder, strict=strict)
    try:
        found_so = sorted(doubts.changed(found) | doubts.strangers(pool, catalog))
        if not found_so:
            return ()
        try:
            asyncio.run(catalog.write(lambda tx: census.begin_all(tx, found_so)))
        except ReadOnly:
            begun = catalog.read(census.begun)
            return tuple((drive, begun.get(drive, 0)) for drive in found_so)
        return ()
    finally:
        catalog.close()


def _never_ran(found: list[Inspection]) -> bool:
    return not any(one.ballot for one in found)


def _refuse_foreign(drives: Iterable[Drive | Inspection]) -> None:
    refused = (DriveState.FOREIGN, DriveState.DUPLICATE, DriveState.NEWER)
    if wrong := [f"drive {drive.path} {drive.problem}" for drive in drives if drive.state in refused]:
        raise SettingsError("; ".join(wrong))


def _secrets(settings: Settings, pool: Pool, folder: Path, *, strict: bool) -> tuple[str, str] | None:
    """Settle the master key and root's credentials, which are returned where they were generated now."""
    catalog = attach(pool, folder, strict=strict)
    try:
        key = master.parse(settings.master_key) if settings.master_key else None
        if key is not None and settings.previous_master_key:
            _change_master_key(catalog, settings.previous_master_key, key)
        if not catalog.read(lambda tx: master.proved(tx, key)):
            asyncio.run(catalog.write(master.keep(key)))
        key = key or catalog.read(master.stored)
        assert key is not None, "the master key was settled"
        _prepare_keys(catalog, key, settings.kms)
        if credentials.given(settings) or catalog.read(credentials.stored(key)) is not None:
            return None
        pair = credentials.generate()
        asyncio.run(catalog.write(credentials.keep(*pair, key)))
        return pair
    finally:
        catalog.close()


def _change_master_key(catalog: Catalog, previous: str, key: master.MasterKey) -> None:
    """Seal everything under another master key, unless that was done already. Raises MasterKeyError."""
    if catalog.read(master.known_by(key)):
        return
    old = catalog.read(master.stored) if previous == STORED else master.parse(previous)
    if old is None:
        raise master.MasterKeyError("the catalog keeps no master key: name the previous one itself")
    done = asyncio.run(catalog.write(master.change(old, key, RESEALERS)))
    print(f"objstore: the master key was changed, {number_of(done or 0, 'value')} sealed anew", file=sys.stderr)  # noqa: T201


def _prepare_keys(catalog: Catalog, key: master.MasterKey, settings: Kms) -> None:
    """Make the keys of SSE-S3 and of SSE-KMS by default, where they are not yet. Raises SettingsError."""
    engines.check(settings)
    if not catalog.read(keyring.prepared):
        asyncio.run(catalog.write(keyring.prepare(key, time.time_ns() // 1000)))


def _announce(settings: Settings, port: int, begun: _Begun) -> None:
    host = settings.host
    shown = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    shown = f"[{shown}]" if ":" in shown else shown
    drives = len(settings.drives)
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    console.print(f"[bold]objstore[/] serves S3 at [bold]{settings.scheme}://{shown}:{port}[/]")
    console.print(f"  drives      {drives}: {escape(', '.join(settings.drives))}")
    away = f"; [red]{len(begun.away)} not there now[/]" if begun.away else ""
    may = f"any {begun.parity} of {number_of(drives, 'drive')}" if begun.parity else "no drive"
    console.print(f"  parity      {begun.parity}: {may} may fail{away}")
    for path, problem in begun.away.items():
        console.print(f"  [red]missing[/]     {escape(path)}: {escape(problem)}")
    fsync = "on the platter before an answer" if settings.durability == "strict" else "no fsync: power cuts lose data"
    console.print(f"  durability  {settings.durability} ({fsync})")
    if begun.generated:
        console.print("  root credentials, shown this once (they are kept in the catalog):")
        console.print(f"    OBJSTORE_ROOT_USER={begun.generated[0]}")
        console.print(f"    OBJSTORE_ROOT_PASSWORD={begun.generated[1]}")
    sys.stdout.flush()


def _supervise(children: list[Child], drain: float) -> None:
    ending = False

    def end(_: int, __: FrameType | None) -> None:
        nonlocal ending
        ending = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    while not ending:
        for child in children:
            if (news := child.revive()) is not None:
                print(f"objstore: {news}", file=sys.stderr, flush=True)  # noqa: T201
        time.sleep(_TICK)
    for child in children:
        child.terminate()
    deadline = time.monotonic() + drain
    for child in children:
        child.wait(deadline)
