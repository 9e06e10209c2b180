"""What the server is told: command line over environment over configuration file over defaults.

The result is one frozen struct that the supervisor hands to its children. An unknown key or a value out of bounds is
refused with the name of the setting; nothing is stored and ignored.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from objstore.counting import number_of
from objstore.drives.expansion import expand_all
from objstore.iam import ownership
from objstore.iam.federation.ldap_settings import LdapSettings
from objstore.iam.users import UserEntry
from objstore.kms import master
from objstore.kms.vault import VaultSettings
from objstore.outbound.addresses import AllowList
from objstore.s3 import customer_keys
from objstore.server.secret_files import Exposed, holds_secrets, require_private
from objstore.targets.settings import TargetEntry

DEFAULT_ADDRESS = "127.0.0.1:9000"
STORED = "stored"
"""As the previous master key: the one that the catalog keeps."""

# AWS's classes from which objects are read without being restored first, but for STANDARD.
STORAGE_CLASSES = ("REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")


class SettingsError(Exception):
    """A setting is missing, unknown or out of bounds; the message names it and says what is accepted."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds on what one client can make a worker hold or wait for."""

    header_bytes: int = 65_536
    header_seconds: float = 30.0
    keep_alive_seconds: int = 75
    idle_seconds: float = 60.0
    drain_seconds: int = 30
    hung_seconds: float = 30.0
    connections: int = 10_000
    requests: int = 512
    failed_signatures: float = 1.0
    failed_signatures_burst: int = 100


class Kms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the keys of SSE-KMS are: the `keyring` in the catalog, a key `file`, or `vault` (also OpenBao)."""

    engine: str = "keyring"
    key_file: str | None = None
    vault: VaultSettings | None = None


class CatalogSnapshots(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often the catalog is dumped into a blob of its own, and how many of these are kept."""

    interval: float = 3_600.0
    hourly: int = 24
    daily: int = 7


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a server process needs to know; `drives` are absolute paths in slot order."""

    drives: tuple[str, ...]
    address: str = DEFAULT_ADDRESS
    workers: int = 2
    parity: int | None = None
    durability: str = "strict"
    region: str = "us-east-1"
    domains: tuple[str, ...] = ()
    website_domains: tuple[str, ...] = ()
    website_hosts: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    root_user: str | None = None
    root_password: str | None = None
    master_key: str | None = None
    previous_master_key: str | None = None
    users: tuple[UserEntry, ...] = ()
    object_ownership: str = ownership.WRITER
    access_log: str = "-"
    log_delivery: float = 300.0
    drive_deadline: float = 10.0
    reap_grace: float = 900.0
    compact_age: float = 7_200.0
    scrub_period: float = 2_592_000.0
    heal_share: float = 0.25
    accept_loss: bool = False
    outbound_allow: tuple[str, ...] = ()
    targets: tuple[TargetEntry, ...] = ()
    events_kept: int = 1_000_000
    storage_classes: dict[str, int] = {}
    lifecycle_day: float = 86_400.0
    oidc_issuers: tuple[str, ...] = ()
    oidc_ca_file: str | None = None
    ldap: LdapSettings | None = None
    limits: Limits = Limits()
    kms: Kms = Kms()
    sse_c_over_http: str = customer_keys.LOOPBACK
    catalog_snapshots: CatalogSnapshots = CatalogSnapshots()

    @property
    def host(self) -> str:
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        return split_address(self.address)[1]

    @property
    def scheme(self) -> str:
        return "https" if self.tls_cert else "http"


def split_address(address: str) -> tuple[str, int]:
    """`HOST:PORT` or `[IPV6]:PORT` or `:PORT` (every interface) as a pair. Raises SettingsError."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise SettingsError(f"address {address!r} is not HOST:PORT, for example {DEFAULT_ADDRESS}")
    return host or "0.0.0.0", int(port)  # noqa: S104 - asked for in so many words


def load(
    arguments: Mapping[str, Any],
    drives: Sequence[str],
    config: Path | None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Join the sources. `arguments` holds only what the command line gave. Raises SettingsError."""
    values: dict[str, Any] = _from_file(config) if config else {}
    values |= _from_environment(environment)
    values |= arguments
    if "ldap" in values:
        values["ldap"] = _with_password(values["ldap"], environment)
    patterns = list(drives) or list(values.get("drives", ()))
    try:
        values["drives"] = [str(path) for path in expand_all(patterns)]
        settings = msgspec.convert(values, Settings)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"settings: {error}") from None
    _check(settings)
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text())
        if holds_secrets(table):
            require_private(path, "configuration file")
        return table
    except Exposed as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        raise SettingsError(f"configuration file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"configuration file {path}: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ("root_user", "root_password", "master_key", "previous_master_key"):
        if (secret := secret_from(environment, "OBJSTORE_" + name.upper())) is not None:
            values[name] = secret
    for name, variable in (
        ("domains", "OBJSTORE_DOMAIN"),
        ("website_domains", "OBJSTORE_WEBSITE_DOMAIN"),
        ("website_hosts", "OBJSTORE_WEBSITE_HOSTS"),
    ):
        if hosts := environment.get(variable):
            values[name] = [part.strip().lower() for part in hosts.split(",") if part.strip()]
    for name in ("region", "address", "durability"):
        if value := environment.get("OBJSTORE_" + name.upper()):
            values[name] = value
    return values


def _with_password(ldap: object, environment: Mapping[str, str]) -> object:
    """The `[ldap]` table with the password of its search account, which is better kept out of the file."""
    password = secret_from(environment, "OBJSTORE_LDAP_BIND_PASSWORD")
    return {**ldap, "bind_password": password} if isinstance(ldap, dict) and password is not None else ldap


def secret_from(environment: Mapping[str, str], name: str) -> str | None:
    """The variable `name`, or what the file that `name_FILE` points to holds (one trailing newline cut).

    Raises SettingsError for a file that cannot be read, or that everybody may read.
    """
    if path := environment.get(name + "_FILE"):
        try:
            require_private(Path(path), f"{name}_FILE")
            return Path(path).read_text().removesuffix("\n")
        except Exposed as error:
            raise SettingsError(str(error)) from None
        except OSError as error:
            raise SettingsError(f"{name}_FILE: cannot read {path}: {error.strerror}") from None
    return environment.get(name) or None


def _check(s: Settings) -> None:
    if not 1 <= s.workers <= 256:
        raise SettingsError("workers: from 1 to 256")
    if s.parity is not None and not 0 <= s.parity <= min(8, len(s.drives) // 2):
        raise SettingsError(
            f"parity: from 0 to {min(8, len(s.drives) // 2)}, half of {number_of(len(s.drives), 'drive')}"
        )
    if s.object_ownership not in ownership.KINDS:
        raise SettingsError(f"object_ownership: {', '.join(ownership.KINDS)}")
    if s.durability not in ("strict", "relaxed"):
        raise SettingsError("durability: strict or relaxed")
    if bool(s.tls_cert) != bool(s.tls_key):
        raise SettingsError("TLS needs both a certificate (--tls-cert) and its key (--tls-key)")
    if bool(s.root_user) != bool(s.root_password):
        raise SettingsError("set both OBJSTORE_ROOT_USER and OBJSTORE_ROOT_PASSWORD (or _FILE of both), or neither")
    if s.root_user and len(s.root_user) < 3:
        raise SettingsError("OBJSTORE_ROOT_USER: at least 3 characters")
    if s.root_password and len(s.root_password) < 8:
        raise SettingsError("OBJSTORE_ROOT_PASSWORD: at least 8 characters")
    if s.master_key:
        _check_master_key("OBJSTORE_MASTER_KEY", s.master_key)
    if s.previous_master_key and not s.master_key:
        raise SettingsError("OBJSTORE_PREVIOUS_MASTER_KEY: give the new one too, as OBJSTORE_MASTER_KEY or its _FILE")
    if s.previous_master_key and s.previous_master_key != STORED:
        _check_master_key("OBJSTORE_PREVIOUS_MASTER_KEY", s.previous_master_key)
    for name, parity in s.storage_classes.items():
        _check_class(name, parity, len(s.drives))
    try:
        AllowList(s.outbound_allow)
    except ValueError as error:
        raise SettingsError(f"outbound_allow: {error}") from None
    if len({(target.id, target.kind) for target in s.targets}) < len(s.targets):
        raise SettingsError("targets: two of one type have the same id")
    if s.events_kept < 1:
        raise SettingsError("events_kept: at least 1")
    _check_federation(s)
    if s.limits.failed_signatures < 0 or s.limits.failed_signatures_burst < 1:
        raise SettingsError("limits: failed_signatures is 0 or more a second, failed_signatures_burst at least 1")
    if s.log_delivery < 0:
        raise SettingsError("log_delivery: seconds, 0 or more")
    if s.reap_grace < 0 or s.compact_age < 0:
        raise SettingsError("reap_grace, compact_age: seconds, 0 or more")
    if s.scrub_period <= 0:
        raise SettingsError("scrub_period: seconds, more than 0")
    if not 0 < s.heal_share <= 1:
        raise SettingsError("heal_share: more than 0, up to 1")
    if s.lifecycle_day <= 0:
        raise SettingsError("lifecycle_day: seconds, more than 0")
    if s.sse_c_over_http not in customer_keys.OVER_HTTP:
        raise SettingsError(f"sse_c_over_http: one of {', '.join(customer_keys.OVER_HTTP)}")
    _check_kms(s.kms)
    if s.limits.connections < 1 or s.limits.requests < 1:
        raise SettingsError("limits: connections and requests are numbers for each worker, at least 1")
    if s.limits.hung_seconds < 2:
        raise SettingsError("limits: hung_seconds is at least 2: a process says every second that it goes on")
    if s.catalog_snapshots.interval <= 0:
        raise SettingsError("catalog_snapshots.interval: seconds, more than 0")
    if min(s.catalog_snapshots.hourly, s.catalog_snapshots.daily) < 0:
        raise SettingsError("catalog_snapshots: hourly and daily are numbers of snapshots, 0 or more")
    split_address(s.address)


def _check_federation(s: Settings) -> None:
    for issuer in s.oidc_issuers:
        url = urlsplit(issuer)
        if url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment:
            raise SettingsError(f"oidc_issuers: {issuer!r} is not https://HOST/PATH")
    if s.ldap is not None:
        try:
            s.ldap.check()
        except ValueError as error:
            raise SettingsError(str(error)) from None


def _check_class(name: str, parity: int, drives: int) -> None:
    if name not in STORAGE_CLASSES:
        raise SettingsError(f"storage_classes: {name!r} is none of {', '.join(STORAGE_CLASSES)}")
    if not 0 <= parity <= min(8, drives // 2):
        raise SettingsError(f"storage_classes: parity of {name} from 0 to {min(8, drives // 2)}")


def _check_kms(kms: Kms) -> None:
    if kms.engine not in ("keyring", "file", "vault"):
        raise SettingsError("kms.engine: keyring, file or vault")
    if kms.engine == "file" and not kms.key_file:
        raise SettingsError("kms.key_file: name the file that has the keys")
    if kms.engine == "vault" and kms.vault is None:
        raise SettingsError("kms.vault: say where Vault is and how to log in")
    if kms.vault is not None and (problem := kms.vault.problem()):
        raise SettingsError(f"kms.vault: {problem}")


def _check_master_key(name: str, text: str) -> None:
    try:
        master.parse(text)
    except master.MasterKeyError as error:
        raise SettingsError(f"{name}: {error}") from None
