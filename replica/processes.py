"""Other processes: work is handed to them, and they end with the run."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def pool_of(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end at once when the run is interrupted, instead of finishing what they do."""
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_leave_signals_to_the_parent)
    try:
        yield pool
    except BaseException:
        # Ctrl-C above all: others would go on for minutes.
        for process in list((pool._processes or {}).values()):  # noqa: SLF001 - Python has no public way to stop them
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def main_module_hidden() -> Iterator[None]:
    """Keeps new processes from running the user's script once more, which would start processes of its own.

    Python does so to find functions of that script; ours are not there.
    """
    main: dict[str, Any] = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
    main["__spec__"] = None
    main.pop("__file__", None)
    try:
        yield
    finally:
        main.update(hidden)


def map_in_order(work: Callable[[T], R], jobs: Iterable[T], processes: int) -> Iterator[R]:
    """Does jobs in other processes, or in this one where one is enough, and yields what comes of them, in order.

    Jobs are taken only as processes become free, so that no more than a few are held at a time.

    Raises:
        BrokenProcessPool: a process was killed, probably for want of memory.
    """
    if processes <= 1:
        yield from map(work, jobs)
        return
    waiting: deque[Future[R]] = deque()
    with pool_of(processes) as pool:
        for job in jobs:
            with main_module_hidden():
                waiting.append(pool.submit(work, job))
            if len(waiting) > processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _leave_signals_to_the_parent() -> None:
    """Ctrl-C reaches every process of a terminal; the parent ends its workers, and they need not say anything."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
