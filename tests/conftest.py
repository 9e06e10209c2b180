"""Fixtures shared by all tests: one server for the tests that leave it as it was, and a fresh bucket for each."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import leaks
from tests.front import people
from tests.harness import Running, serving

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of servers are started: none is to compile everything anew
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soak tests and builds of the image run only when asked for (`-m soak`, `-m image`)."""
    for marker in {"soak", "image"} - set(config.getoption("-m").split()):
        items[:] = [item for item in items if item.get_closest_marker(marker) is None]


@pytest.fixture(scope="session", autouse=True)
def no_secret_in_a_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """When all is done, nothing that was logged has a secret in it; each process of a test run looks at its own."""
    leaks.watch(tmp_path_factory.mktemp("leaks"))
    yield
    assert leaks.LEDGER.found() == []


@pytest.fixture(scope="session")
def server(no_secret_in_a_log: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with four drives and two workers that lives as long as the test session."""
    folder = tmp_path_factory.mktemp("server")
    # All tests come from one address, and many show that some key is of no use.
    limits = "[limits]\nfailed_signatures_burst = 1000000\n"
    (folder / "people.toml").write_text(limits + "\n".join(one.table for one in people.PEOPLE))
    arguments = ("--config", str(folder / "people.toml"), "--access-log", str(folder / "access.log"))
    with serving(folder, workers=2, arguments=arguments) as running:
        yield running


@pytest.fixture(scope="session")
def s3(server: Running) -> Any:
    """A boto3 client of the shared server as root."""
    return server.client()


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new, empty bucket of the shared server."""
    name = f"test-{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=name)
    return name
