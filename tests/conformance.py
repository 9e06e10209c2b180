"""`make conformance`: the public S3 suite against a server of our own.

Starts a server on a free port with the users that the suite needs, runs `../shared/conformance/run` (or, where that is
absent, the suite's own pytest with the same list), stops the server, and ends with the run's exit status. The suite is
a checkout of ceph/s3-tests; what it imports goes into a virtual environment beside the drives, never into ours.
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.harness import serving

RUNNER = Path(__file__).parents[2] / "shared" / "conformance" / "run"
NEEDS = ["pytest", "pytest-timeout", "pytest-xdist", "boto3", "munch", "isodate", "requests", "pytz", "httplib2"]
NEEDS += ["lxml", "PyYAML", "gevent"]

# No default key (`alias/aws/s3`): the suite wants a request for SSE-KMS that names no key to be refused.
KMS_KEYS = ["conformance-key", "conformance-key-2"]

# The suite is told that a day lasts ten seconds, and expects access logs within five.
SETTINGS = """
lifecycle_day = 10.0
log_delivery = 2.0
[[users]]
id = "testid"
account = ""
name = "M. Tester"
email = "tester@example.com"
access_key = "0555b35654ad1656d804"
secret_key = "h7GhxuBLTrlhVUyxSPUKUV8r/2EI4ngqJxD7iBdBYLhwluN30JaT3Q=="

[[users]]
id = "altid"
account = ""
name = "john.doe"
email = "john.doe@example.com"
access_key = "NOPQRSTUVWXYZABCDEFG"
secret_key = "nopqrstuvwxyzabcdefghijklmnabcdefghijklm"

[[users]]
id = "tenantid"
account = ""
name = "tenanteduser"
email = "tenanteduser@example.com"
access_key = "HIJKLMNOPQRSTUVWXYZA"
secret_key = "opqrstuvwxyzabcdefghijklmnopqrstuvwxyzab"

[[users]]
id = "iamid"
account = ""
admin = true
name = "youruseridhere"
email = "s3@example.com"
access_key = "ABCDEFGHIJKLMNOPQRST"
secret_key = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn"

[[users]]
id = "RGW11111111111111111"
name = "account1"
email = "account1@example.com"
access_key = "AAAAAAAAAAAAAAAAAAaa"
secret_key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

[[users]]
id = "RGW22222222222222222"
name = "account2"
email = "account2@example.com"
access_key = "BBBBBBBBBBBBBBBBBBbb"
secret_key = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
"""


def suite_python() -> Path:
    """An interpreter that can import what the suite imports; made once, kept in .venv/conformance."""
    home = Path(sys.prefix) / "conformance"
    python = home / "bin" / "python"
    if not (home / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *NEEDS], check=True)
        (home / ".ready").touch()
    return python


def command(arguments: argparse.Namespace, endpoint: str) -> list[str]:
    """The runner's command line, or pytest's where there is no runner."""
    python = str(suite_python())
    if RUNNER.exists():
        line = [sys.executable, str(RUNNER), "--suite", str(arguments.suite), "--endpoint", endpoint]
        line += ["--python", python, "--out", str(arguments.out), "--jobs", str(arguments.jobs)]
        line += ["--timeout", str(arguments.timeout)]
        line += ["--list", str(arguments.list)] if arguments.list else []
        return line + (["-k", arguments.k] if arguments.k else [])
    tests = ["s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py"]
    if arguments.list:
        lines = arguments.list.read_text().splitlines()
        tests = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    line = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--timeout={arguments.timeout}"]
    line += ["-n", str(arguments.jobs), *tests]
    return line + (["-k", arguments.k] if arguments.k else [])


def _keys(path: Path) -> str:
    """Write the key file that the tests of SSE-KMS need; the part of the configuration that names it."""
    lines = [f'"{name}" = ["{base64.b64encode(os.urandom(32)).decode()}"]' for name in KMS_KEYS]
    path.write_text("\n".join(["[keys]", *lines, ""]))
    return f'\n[kms]\nengine = "file"\nkey_file = "{path}"\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", required=True, type=lambda p: Path(p).absolute())
    parser.add_argument("--list", type=lambda p: Path(p).absolute())
    parser.add_argument("--out", type=lambda p: Path(p).absolute(), default=Path("conformance.txt").absolute())
    # one at a time: some tests count all buckets of a user
    parser.add_argument("--jobs", type=int, default=1)
    # one test waits a quarter of an hour until a session has ended
    parser.add_argument("--timeout", type=int, default=1000, help="seconds for one test (default 1000)")
    parser.add_argument("-k", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="objstore-conformance-") as folder:
        config = Path(folder, "settings.toml")
        config.write_text(SETTINGS + _keys(Path(folder, "keys.toml")))
        with serving(Path(folder, "server"), workers=2, arguments=("--config", str(config))) as server:
            cwd = None if RUNNER.exists() else arguments.suite
            status = subprocess.run(command(arguments, server.endpoint), cwd=cwd, env=dict(os.environ), check=False)
            print(server.output()[-2000:], file=sys.stderr)
            return status.returncode


if __name__ == "__main__":
    raise SystemExit(main())
