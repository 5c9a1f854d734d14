"""Replica as one of the tools, in a process of its own: learns the source and writes the target."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from replica import Settings, learn, write


def main() -> None:
    """Takes the file for the report, the seed and the sights to hide; addresses stand in the environment."""
    report, seed, hidden = Path(sys.argv[1]), int(sys.argv[2]), frozenset(sys.argv[3:])
    settings = Settings(seed=seed, replace=True, hidden=hidden)
    start = time.perf_counter()
    learned = learn("env:FIDELITY_SOURCE", settings)
    middle = time.perf_counter()
    loaded = write(learned, "env:FIDELITY_TARGET", settings)
    end = time.perf_counter()
    found = {"seconds": {"fit": middle - start, "sample": end - middle}, "rows": loaded.rows}
    report.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
