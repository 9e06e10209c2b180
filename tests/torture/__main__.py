"""`python -m tests.torture`: fresh and kept seeds, or one given, for so many minutes; status 1 if anything is wrong."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from tests.torture.run import Run, one_seed, say

KEPT = Path(__file__).with_name("seeds.txt")
SEED_SECONDS = 120.0  # so that half an hour has ten fresh ones beside those that are kept


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long, over all seeds (default 5)")
    parser.add_argument("--seed", type=int, help="this seed alone")
    parser.add_argument("--keep", type=Path, help="leave drives and log in this new folder")
    options = parser.parse_args()
    deadline = time.monotonic() + options.minutes * 60
    runs: list[Run] = []
    for seed in [options.seed] if options.seed is not None else _seeds():
        until = deadline if options.seed is not None else min(deadline, time.monotonic() + SEED_SECONDS)
        runs.append(one_seed(seed, until, options.keep / str(seed) if options.keep else None))
        if time.monotonic() >= deadline or runs[-1].record.violations:
            break
    return _summary(runs)


def _seeds() -> list[int]:
    """Fresh seeds and those that found something once, in turns."""
    fresh = random.SystemRandom()
    kept = [int(line.split()[0]) for line in KEPT.read_text().splitlines() if line and not line.startswith("#")]
    seeds: list[int] = []
    for seed in kept:
        seeds += [fresh.randrange(1 << 32), seed]
    return seeds + [fresh.randrange(1 << 32) for _ in range(1000)]


def _summary(runs: list[Run]) -> int:
    done: Counter[str] = Counter()
    unclear: Counter[str] = Counter()
    harm: Counter[str] = Counter()
    moves: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    views: Counter[str] = Counter()
    for run in runs:
        done += run.record.operations
        unclear += run.record.unclear
        harm += run.harm.done
        moves += run.moves.done
        refused += run.moves.refused
        views += run.views.done
        harm += run.losses.done
    for run in runs:
        for what, why in run.harm.skipped.items():
            say(f"left out: {what} ({why})")
    say("operations  " + ", ".join(f"{kind} {count}" for kind, count in done.most_common()))
    say("unclear     " + ", ".join(f"{kind} {count}" for kind, count in unclear.most_common()))
    say("faults      " + ", ".join(f"{what} {count}" for what, count in harm.most_common()))
    say("moves       " + ", ".join(f"{what} {count}" for what, count in moves.most_common()))
    say("refused     " + ", ".join(f"{what} {count}" for what, count in refused.most_common()))
    say("snapshots   " + ", ".join(f"{what} {count}" for what, count in views.most_common()))
    wrong = sum(len(run.record.violations) for run in runs)
    seeds = ", ".join(str(run.plan.seed) for run in runs)
    rounds, faults, crashes = (sum(getattr(run, name) for run in runs) for name in ("rounds", "faults", "crashes"))
    say(
        f"{len(runs)} seeds ({seeds}), {rounds} rounds, {done.total()} operations, {faults} faults, {crashes} crashes:"
        f" {f'{wrong} things are wrong' if wrong else 'nothing is wrong'}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
