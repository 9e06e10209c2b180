"""Whatever a server writes is for it alone; and a file with a secret that everybody may read is refused."""

from __future__ import annotations

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from objstore.kms.vault import VaultSettings
from objstore.server import engines
from objstore.server.secret_files import Exposed, holds_secrets, require_private
from objstore.server.settings import Kms, SettingsError, load
from tests.front.wire import until
from tests.harness import Running

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture
def anything_goes() -> Iterator[None]:
    """A umask that takes nothing away, for the processes that are started too."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """What below a folder, and the folder itself, somebody else could read, list or change."""
    found = []
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o077:
            found.append(f"{path.relative_to(folder.parent)} {stat.filemode(status.st_mode)}")
    return found


def test_everything_that_is_written_is_for_the_server_alone(tmp_path: Path, anything_goes: None) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    drives = [tmp_path / f"drive{number}" for number in range(3)]
    running = Running(
        drives,
        tmp_path / "log",
        environment={"TMPDIR": str(temporary), "OBJSTORE_ROOT_USER": "", "OBJSTORE_ROOT_PASSWORD": ""},
        arguments=("--access-log", str(tmp_path / "access.log")),
    ).start()
    try:
        root = re.search(r"OBJSTORE_ROOT_USER=(\S+)\s+OBJSTORE_ROOT_PASSWORD=(\S+)", running.output())
        assert root is not None
        s3 = running.client("s3", root[1], root[2])
        s3.create_bucket(Bucket="bucket")
        for size in (10, 100_000, 6 << 20):
            s3.put_object(Bucket="bucket", Key=f"of-{size}", Body=os.urandom(size))
        upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
        s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=1, Body=b"x" * 9000)
        until(lambda: (tmp_path / "access.log").stat().st_size > 0, "lines in the access log", 10)
        written = [path.name for drive in drives for path in drive.rglob("*")]
        assert {"catalog.db", "catalog.db-wal", "ballot", "format.json", "shards"} <= set(written), written
        runtimes = list(temporary.iterdir())
        assert len(runtimes) == 1 and list(runtimes[0].rglob("*.db")), "the metrics that processes share"
        for folder in (*drives, *runtimes, tmp_path / "access.log"):
            assert open_to_others(folder) == []
    finally:
        running.stop()
    for drive in drives:
        assert open_to_others(drive) == [], "what is written while it ends"


# files with secrets


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder into which everybody may go, all the way from the root."""
    folder = Path(tempfile.mkdtemp(prefix="objstore-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def written(folder: Path, mode: int, text: str = "a-secret-of-some-length") -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o444, 0o604, 0o666])
def test_what_everybody_may_read_is_refused(passable: Path, mode: int) -> None:
    path = written(passable, mode)
    with pytest.raises(Exposed, match=rf"NAME: everybody .* {path} \(mode 0{mode:o}\).*chmod 600 {path}"):
        require_private(path, "NAME")
    link = passable / "link"
    link.symlink_to(path)
    with pytest.raises(Exposed):
        require_private(link, "NAME")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_what_the_owner_or_a_group_may_read_is_taken(passable: Path, mode: int) -> None:
    require_private(written(passable, mode), "NAME")


def test_a_folder_that_lets_nobody_pass_hides_what_is_in_it(passable: Path) -> None:
    path = written(passable, 0o644)
    passable.chmod(0o750)
    require_private(path, "NAME")


@pytest.mark.parametrize(
    ("mount", "taken"),
    [
        ("40 1 0:5 / {folder} ro - tmpfs tmpfs rw", True),  # Kubernetes, Docker Swarm, systemd
        ("40 1 0:5 / {folder} ro shared:1 - ramfs none rw", True),
        ("40 1 8:1 /home/me/secret {file} ro - ext4 /dev/sda1 rw", True),  # docker compose
        ("40 1 8:1 / {folder} rw - ext4 /dev/sda1 rw", False),
        ("40 1 0:5 / /tmp rw - tmpfs tmpfs rw", False),
        ("40 1 0:5 / / rw - tmpfs tmpfs rw", False),
        ("40 1 0:5 / {folder} ro - tmpfs tmpfs rw\n41 40 8:1 / {folder} rw - ext4 /dev/sda1 rw", False),
        ("40 1 0:5 / {folder}-other ro - tmpfs tmpfs rw", False),
        ("", False),
    ],
)
def test_what_a_container_engine_hands_over_is_taken(passable: Path, mount: str, taken: bool) -> None:
    path = written(passable, 0o444)
    mounts = passable / "mountinfo"
    mounts.write_text("20 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mount.format(folder=passable, file=path) + "\n")
    if taken:
        require_private(path, "NAME", mounts)
    else:
        with pytest.raises(Exposed):
            require_private(path, "NAME", mounts)


def test_a_folder_with_a_blank_is_found_among_the_mounts(passable: Path) -> None:
    folder = passable / "a b"
    folder.mkdir(0o755)
    path = written(folder, 0o444)
    mounts = passable / "mountinfo"
    mounts.write_text(f"40 1 0:5 / {str(folder).replace(' ', chr(92) + '040')} ro - tmpfs tmpfs rw\n")
    require_private(path, "NAME", mounts)


@pytest.mark.parametrize(
    "name",
    ["ROOT_USER", "ROOT_PASSWORD", "MASTER_KEY", "PREVIOUS_MASTER_KEY"],
)
def test_files_that_the_environment_names(passable: Path, name: str) -> None:
    path = written(passable, 0o644, KEY)
    settings = {f"OBJSTORE_{name}_FILE": str(path)}
    with pytest.raises(SettingsError, match=f"OBJSTORE_{name}_FILE: everybody on this machine may read"):
        load({}, ["/drive"], None, settings)


LDAP = '[ldap]\nurl = "ldaps://l"\nuser_base = "dc=a"\n'


@pytest.mark.parametrize(
    ("table", "secret"),
    [
        ('root_user = "admin"\nroot_password = "long-enough"', True),
        (f'master_key = "{KEY}"', True),
        ('[[users]]\nid = "a"\nname = "a"\naccess_key = "a"\nsecret_key = "b"', True),
        (LDAP + 'bind_dn = "cn=a"\nbind_password = "c"', True),
        ('[[targets]]\ntype = "webhook"\nid = "a"\nendpoint = "https://h"\nauthorization = "Bearer b"', True),
        ('[[targets]]\ntype = "redis"\nid = "a"\nurl = "redis://user:word@h"\nkey = "b"', True),
        ('[[targets]]\ntype = "postgresql"\nid = "a"\nconnection = "host=h password=c"\ntable = "b"', True),
        ('[[targets]]\ntype = "redis"\nid = "a"\nurl = "redis://h"\nkey = "b"', False),
        (LDAP, False),
        ('address = ":9000"\ndomains = ["s3.example.com"]\noidc_issuers = ["https://accounts.example.com"]', False),
    ],
)
def test_a_configuration_file_with_secrets_in_it(passable: Path, table: str, secret: bool) -> None:
    path = written(passable, 0o644, table)
    if secret:
        with pytest.raises(SettingsError, match="configuration file: everybody on this machine may read"):
            load({}, ["/drive"], path, {})
        path.chmod(0o640)
    load({}, ["/drive"], path, {})


def test_a_secret_that_is_empty_is_none() -> None:
    assert not holds_secrets({"root_password": "", "ldap": {"bind_password": ""}})


def test_key_files_and_files_of_vault(passable: Path) -> None:
    path = written(passable, 0o644, f'[keys]\na = ["{KEY}"]')
    with pytest.raises(SettingsError, match=r"kms\.key_file: everybody"):
        engines.check(Kms(engine="file", key_file=str(path)))
    vault = VaultSettings(address="https://vault", token_file=str(path))
    with pytest.raises(SettingsError, match=r"kms\.vault\.token_file: everybody"):
        engines.check(Kms(engine="vault", vault=vault))
    path.chmod(0o400)
    engines.check(Kms(engine="file", key_file=str(path)))


def test_a_server_does_not_start_with_them(passable: Path, tmp_path: Path) -> None:
    password = written(passable, 0o644)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OBJSTORE_")}
    environment |= {"OBJSTORE_ROOT_USER": "admin", "OBJSTORE_ROOT_PASSWORD_FILE": str(password)}
    command = [sys.executable, "-m", "objstore", "server", "--address", "127.0.0.1:0", str(tmp_path / "drive")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"objstore: OBJSTORE_ROOT_PASSWORD_FILE: everybody on this machine may read {password}"
    )
    assert not (tmp_path / "drive").exists()


def test_a_private_key_of_tls_that_everybody_may_read(passable: Path, tmp_path: Path) -> None:
    from tests.server.test_tls import certificate

    chain, private = certificate(passable)
    private.chmod(0o644)
    command = [sys.executable, "-m", "objstore", "server", "--address", "127.0.0.1:0", str(tmp_path / "drive")]
    command += ["--tls-cert", str(chain), "--tls-key", str(private)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.startswith("objstore: tls_key: everybody")) == (2, True), done.stderr


# the image


def test_the_image_runs_as_nobody_special() -> None:
    users = re.findall(r"(?m)^USER (\S+)$", (ROOT / "docker" / "Containerfile").read_text())
    assert users and re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]), "Kubernetes tells a number from root, not a name"
    compose = (ROOT / "docker" / "compose.yaml").read_text()
    for line in ("read_only: true", "cap_drop: [ALL]", '"no-new-privileges:true"'):
        assert line in compose
    assert re.search(r"(?m)^\s*(user|privileged):", compose) is None
