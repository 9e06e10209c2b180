"""One target under atheris: `python -m tests.fuzz.engine TARGET FOLDER SECONDS`.

Our code, and what reads strangers' bytes for it, is instrumented as it is imported. An input that raises, takes longer
than ten seconds, or makes the process larger than two GiB ends the run and is written into the folder.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris

FOUND = Path(__file__).parent / "found"
_READERS = ["objstore", "python_multipart", "xmltodict", "uvicorn", "joserfc"]


def main(name: str, folder: Path, seconds: int) -> None:
    with atheris.instrument_imports(include=_READERS):
        from tests.fuzz.targets import TARGETS
    logging.disable()  # an input that is refused is no news
    target = TARGETS[name]
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    kept = sorted((FOUND / name).glob("*"))
    for number, seed in enumerate((*target.seeds, *(path.read_bytes() for path in kept))):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    options = [
        *(f"-max_total_time={seconds}", f"-max_len={target.longest}", f"-dict={words}", f"-artifact_prefix={folder}/"),
        *("-timeout=10", "-rss_limit_mb=2048", "-len_control=20", "-print_final_stats=1", "-verbosity=1"),
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run)
    atheris.Fuzz()


def _escaped(word: str) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
