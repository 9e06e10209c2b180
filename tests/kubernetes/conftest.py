"""One API server for all Kubernetes tests of a process; where there is none, they are skipped and say why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kubernetes import binaries
from tests.kubernetes.api import Api, running


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A real API server without any of our kinds."""
    if missing := binaries.missing():
        pytest.skip(f"no {', '.join(missing)}: `make kubernetes` builds them where Go is")
    with running(tmp_path_factory.mktemp("kubernetes")) as started:
        yield started
