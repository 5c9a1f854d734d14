"""Learning and drawing one table's codes on the processor and on every other device that torch sees here.

    python -m benchmarks device
    python -m benchmarks.device [--rows 200000,2000] [--effort 0.1] [--families vae,gan] [--devices cpu,cuda]

The second needs no database. The processor learns with one thread, as Replica learns one table; what a device needs
once per process, its context and the loading of kernels, is done before the clock starts.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from replica.errors import SettingsError
from replica.generators import GENERATORS
from replica.generators.base import Encoded, FitOptions
from replica.generators.devices import check_device
from replica.kinds.base import Span

FAMILIES = tuple(name for name in GENERATORS if name != "marginal")
"""Those that compute nets."""

_SPANS, _CONTEXT, _CODES = 20, 12, 40
# As many as are drawn at once for a table without families.
_DRAWN = 50_000


@dataclass(frozen=True)
class Trial:
    """What is measured.

    Attributes:
        rows: how many rows are learned.
        effort: how long, relative to the usual.
        families: names of families, in their order.
        devices: names of devices, the one that others are compared with first.
    """

    rows: int = 200_000
    effort: float = 0.1
    families: tuple[str, ...] = FAMILIES
    devices: tuple[str, ...] = ("cpu", "cuda", "mps")


def table(rows: int) -> tuple[Encoded, Encoded]:
    """Returns rows and their context, made up: spans follow the one before, one of the context, or nothing."""
    rng = np.random.default_rng(0)
    above = rng.integers(0, _CODES, (rows, _CONTEXT))
    codes = np.zeros((rows, _SPANS), np.int64)
    for i in range(_SPANS):
        noise = np.minimum(rng.geometric(0.1, rows) - 1, _CODES - 1)
        followed = (noise, codes[:, i - 1] + noise // 8, above[:, i % _CONTEXT] + noise // 4)[i % 3]
        codes[:, i] = followed % _CODES
    return tuple(
        Encoded(each.astype(np.int32), tuple(Span(f"{name}{i}", _CODES, _CODES) for i in range(each.shape[1])))
        for name, each in (("span", codes), ("above", above))
    )  # type: ignore[return-value]


def measure(trial: Trial) -> Iterator[tuple[str, list[float], str]]:
    """Yields seconds by family and device, and how many times as fast as the first one the others are."""
    rows, context = table(trial.rows)
    devices = [name for name in trial.devices if _is_there(name)]
    for name in devices:
        for family in trial.families:
            _times(family, *table(2_000), FitOptions(0.01, device=name))
    for family in trial.families:
        took = {name: _times(family, rows, context, FitOptions(trial.effort, device=name)) for name in devices}
        for i, what in enumerate(("learn", "draw")):
            for name, figures in took.items():
                label = f"{family}, {what} {(trial.rows, _DRAWN)[i]:,} rows, {name}"
                yield label, [figures[i]], "s"
                if name != devices[0]:
                    yield f"{family}, {what}: {name} against {devices[0]}", [took[devices[0]][i] / figures[i]], "times"


def device(_: object) -> Iterator[tuple[str, list[float], str]]:
    """Measures every family that computes nets on every device."""
    return measure(Trial())


def _is_there(name: str) -> bool:
    try:
        check_device(name)
    except SettingsError:
        return False
    return True


def _times(family: str, rows: Encoded, context: Encoded, options: FitOptions) -> tuple[float, float]:
    """Returns the seconds that it takes to learn, and to draw: the least of three turns."""
    start = time.perf_counter()
    model = GENERATORS[family].fit(rows, context, options, np.random.default_rng(0))
    learned = time.perf_counter() - start
    above = np.resize(context.codes, (_DRAWN, len(context.spans))).astype(np.int32)
    draw = partial(model.sample, above, np.zeros((_DRAWN, 0), np.int32), len(rows.spans))
    return learned, min(_seconds(lambda: draw(np.random.default_rng(1), options.device)) for _ in range(3))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _machine() -> str:
    """Returns what the processor and the GPU are called."""
    cpu = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    card = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    return ", ".join([*names[:1], *card, f"torch {torch.__version__}", f"Python {platform.python_version()}"])


def main(arguments: Sequence[str]) -> None:
    """Prints a line per figure."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    trial = Trial(
        effort=float(given.get("--effort", Trial.effort)),
        families=tuple(given["--families"].split(",")) if "--families" in given else FAMILIES,
        devices=tuple(given["--devices"].split(",")) if "--devices" in given else Trial.devices,
    )
    print(_machine(), flush=True)
    for rows in given.get("--rows", str(Trial.rows)).split(","):
        for what, (figure,), unit in measure(Trial(int(rows), trial.effort, trial.families, trial.devices)):
            print(f"{what:<60} {figure:>10.2f} {unit}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
