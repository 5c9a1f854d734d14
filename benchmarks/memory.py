"""The most memory that a process takes while it makes and loads ten million rows of one table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.workplace import Workplace
from replica import Settings, learn, save

ROWS = 10_000_000

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from replica import Settings, open_artifact, write
start = time.perf_counter()
report = write(open_artifact(Path(sys.argv[1])), sys.argv[2], Settings(rows={"public.t": int(sys.argv[3])}))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"peak": peak, "seconds": time.perf_counter() - start, "rows": report.rows}))
"""


def memory(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures the peak of resident memory, and rows per second from the model to the published database."""
    place.execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, a int, b double precision, c timestamp, d text);"
        "INSERT INTO t SELECT i, (random() * 50)::int, random() * random(), '2024-01-01'::timestamp + random() *"
        " interval '300 days', 'group ' || (random() ^ 3 * 40)::int FROM generate_series(1, 50000) i; ANALYZE t"
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "t.replica"
        save(learn(place.url, Settings()), file)
        command = [sys.executable, "-c", _CHILD, str(file), place.target.secret, str(ROWS)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    yield f"{found['rows']:,} rows of five columns, sampled and loaded: peak", [found["peak"]], "GB"
    yield "the same: rate, with its primary key", [found["rows"] / found["seconds"]], "rows/s"
