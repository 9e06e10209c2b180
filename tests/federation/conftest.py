"""A server that believes an issuer on the loopback and asks an LDAP server there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.federation import directory
from tests.federation.issuer import Issuer
from tests.harness import Running, free_port, serving


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="session")
def forbidden() -> Iterator[Issuer]:
    """An issuer that runs, but that the configuration does not list."""
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="session")
def federated(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("federated")
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(directory.serving(folder / "ldap")) if directory.SLAPD else free_port()
        config = folder / "objstore.toml"
        gone = f"http://127.0.0.1:{free_port()}/gone"
        config.write_text(
            f"""
oidc_issuers = [{json.dumps(issuer.url)}, {json.dumps(gone)}, "http://localhost:1/near"]
outbound_allow = ["127.0.0.1"]

[ldap]
url = "ldap://127.0.0.1:{port}"
user_base = "ou=people,dc=example,dc=com"
group_base = "ou=groups,dc=example,dc=com"
bind_dn = "cn=search,dc=example,dc=com"
"""
        )
        environment = {"OBJSTORE_LDAP_BIND_PASSWORD": directory.PASSWORDS["search"]}
        arguments = ("--config", str(config))
        yield stack.enter_context(serving(folder / "server", drives=1, arguments=arguments, environment=environment))


@pytest.fixture(scope="session")
def iam(federated: Running) -> Any:
    return federated.client("iam")


@pytest.fixture(scope="session")
def anonymous(federated: Running) -> Any:
    """STS for callers without keys."""
    from botocore import UNSIGNED

    return federated.client("sts", signature_version=UNSIGNED, parameter_validation=False)
