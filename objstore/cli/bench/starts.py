"""What a start costs: how long it takes until requests are answered, processor time, and what the new server holds."""

from __future__ import annotations

import time
from dataclasses import dataclass

from objstore.cli.bench import processes
from objstore.cli.bench.servers import Server, running

_SETTLING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Started:
    """Seconds from the command to the first answer; and two seconds later, what all processes took of processors, in
    seconds, and have resident, in bytes."""

    seconds: float
    processors: float
    memory: int


def measure(server: Server, rounds: int) -> list[Started]:
    """Start the server again and again, on drives that it has made before."""
    with running(server):
        pass
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        with running(server) as process:
            seconds = time.perf_counter() - begun
            time.sleep(_SETTLING_SECONDS)
            found.append(Started(seconds, processes.processor_seconds(process), processes.memory(process)))
    return found
