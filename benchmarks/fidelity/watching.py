"""Another process, how long it takes, and the most memory that it and its children hold at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

_EVERY = 0.25


@dataclass(frozen=True)
class Watched:
    """What became of a process.

    Attributes:
        code: its exit code; None where it was stopped after too long.
        seconds: how long it ran.
        peak: the most memory of the whole tree, in GB; shared pages count once (proportional set size).
        said: the end of what it wrote to its error output.
    """

    code: int | None
    seconds: float
    peak: float
    said: str


def watch(command: list[str], environment: Mapping[str, str], most_seconds: float) -> Watched:
    """Runs a command to its end, or for so many seconds."""
    start, peak, code = time.perf_counter(), 0.0, None
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        tree = psutil.Process(process.pid)
        said = ""
        while code is None and time.perf_counter() - start < most_seconds:
            with suppress(subprocess.TimeoutExpired):
                said = process.communicate(timeout=_EVERY)[1]
            code = process.poll()
            peak = max(peak, _memory(tree))
        if code is None:
            os.killpg(process.pid, signal.SIGKILL)
            said = process.communicate()[1]
    return Watched(code, time.perf_counter() - start, peak / 2**30, said[-2000:])


def _memory(tree: psutil.Process) -> int:
    total = 0
    with suppress(psutil.Error):
        for process in (tree, *tree.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total
