"""A real LDAP server on the loopback: Debian's slapd with a few people and groups."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.harness import free_port

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/bin")
PASSWORDS = {"ada": "correct horse", "bert": "battery staple", "search": "a-search-password"}

_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
database mdb
suffix "dc=example,dc=com"
rootdn "cn=search,dc=example,dc=com"
rootpw {search}
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""
_ENTRIES = """
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: uid=ada,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: L
userPassword: {ada}

dn: uid=bert,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: bert
cn: Bert
sn: M
userPassword: {bert}

dn: cn=Engineers,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: Engineers
member: uid=ada,ou=people,dc=example,dc=com
"""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """slapd on a free port, which is given; ended at the end."""
    assert SLAPD is not None
    (folder / "data").mkdir(parents=True)
    conf, entries, port = folder / "slapd.conf", folder / "entries.ldif", free_port()
    conf.write_text(_CONF.format(folder=folder, **PASSWORDS))
    entries.write_text(_ENTRIES.format(**PASSWORDS))
    slapadd = str(Path(SLAPD).with_name("slapadd"))
    subprocess.run([slapadd, "-f", str(conf), "-l", str(entries)], check=True, capture_output=True)
    with (folder / "slapd.log").open("wb") as log:
        process = subprocess.Popen(
            [SLAPD, "-f", str(conf), "-h", f"ldap://127.0.0.1:{port}", "-d", "0"], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None and time.monotonic() < deadline, (folder / "slapd.log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)
