"""What an installer does, in tests: the definitions and the roles of config/, and operators that have exactly these."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.kubernetes.api import Api, Operator

CONFIG = Path(__file__).parents[2] / "config"
NAMESPACE = "objstore-system"
ACCOUNT = "objstore-operator"
SECONDS = 60.0

T = TypeVar("T")


def install(api: Api) -> None:
    """Apply definitions and roles, once, and wait until the definitions are in force."""
    for folder in ("rbac", "crd"):
        api.kubectl("apply", "--server-side", "-k", str(CONFIG / folder))
    api.kubectl("wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=30s")


@contextlib.contextmanager
def operating(api: Api, folder: Path, *arguments: str) -> Iterator[Operator]:
    """The operator, with the role that it ships, while the block runs."""
    operator = Operator(api.kubeconfig(NAMESPACE, ACCOUNT), folder / "operator.log", NAMESPACE, arguments)
    operator.start()
    try:
        yield operator
    finally:
        if operator.process is not None and operator.process.poll() is None:
            operator.kill()
    mistakes = re.findall(r"(?:Type|Name|Attribute|Key|Index|Assertion)Error: .*", operator.log.read_text())
    assert not mistakes, "the operator trips over itself"


def until(look: Callable[[], T], what: str, operator: Operator | None = None, seconds: float = SECONDS) -> T:
    """What `look` finds as soon as that is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        said = operator.output() if operator is not None else ""
        assert operator is None or operator.process is None or operator.process.poll() is None, said
        assert time.monotonic() < deadline, f"not in {seconds:.0f} s: {what}\n{said}"
        time.sleep(0.1)
