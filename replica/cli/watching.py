"""Telling a person how far a run is: a bar on a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from replica.progress import Progress as Moment
from replica.progress import Report, ignore

# Steps that are over sooner are not worth a line; between two lines of one step pass at least so many seconds.
_WORTH_A_LINE_S = 1.0
_BETWEEN_LINES_S = 5.0


@contextmanager
def watching(console: Console, *, quiet: bool = False) -> Iterator[Report]:
    """Gives the function that stages report to, and tells the console what it hears.

    Args:
        console: where to tell it; standard error.
        quiet: tell nothing.
    """
    if quiet:
        yield ignore
    elif console.is_terminal:
        with _bars(console) as report:
            yield report
    else:
        lines = _Lines(console)
        yield lines.report
        lines.close()


class _Pace:
    """Rate and time left of a step, from what was reported of it."""

    def __init__(self, moment: Moment) -> None:
        self.step = moment.step
        self.start = time.monotonic()
        self._first = moment.done

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    def describe(self, moment: Moment) -> str:
        """Says how much is done, how fast it goes and how long it will take."""
        parts = []
        rate = (moment.done - self._first) / self.seconds if self.seconds > 0 else 0.0
        if moment.unit:
            parts.append(f"{moment.done:,.0f} of {moment.total:,.0f} {moment.unit}")
            parts += [f"{rate:,.0f} {moment.unit}/s"] if rate else []
        elif moment.total > 1:
            parts.append(f"{moment.done / moment.total:.0%}")
        if rate and moment.total > moment.done:
            parts.append(f"{_duration((moment.total - moment.done) / rate)} left")
        return ", ".join(parts)


class _Lines:
    """A line when a step lasts, one now and then while it does, and one when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pace: _Pace | None = None
        self._said = 0.0

    def report(self, moment: Moment) -> None:
        """Hears a moment of the run."""
        if self._pace is None or moment.step != self._pace.step:
            self.close()
            self._pace, self._said = _Pace(moment), time.monotonic()
        elif time.monotonic() - self._said >= _BETWEEN_LINES_S:
            self._say(f"{moment.step}: {moment.detail} {self._pace.describe(moment)}")

    def close(self) -> None:
        """Ends the step that was going on."""
        if self._pace is not None and self._pace.seconds >= _WORTH_A_LINE_S:
            self._say(f"{self._pace.step}: done in {_duration(self._pace.seconds)}")
        self._pace = None

    def _say(self, line: str) -> None:
        self._console.print(" ".join(line.split()), markup=False, highlight=False, soft_wrap=True)
        self._said = time.monotonic()


@contextmanager
def _bars(console: Console) -> Iterator[Report]:
    """One bar per step; the finished ones stay above it."""
    columns = (
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}", markup=True),
    )
    with Progress(*columns, console=console) as progress:
        bars = _Bars(progress)
        yield bars.report
        bars.close()


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._pace: _Pace | None = None

    def report(self, moment: Moment) -> None:
        """Hears a moment of the run."""
        if self._pace is None or self._task is None or moment.step != self._pace.step:
            self.close()
            self._pace = _Pace(moment)
            self._task = self._progress.add_task(moment.step, total=None, note="")
        note = "  ".join(part for part in (moment.detail, self._pace.describe(moment)) if part)
        # A table's name may hold what looks like markup.
        note = note.replace("[", r"\[")
        self._progress.update(self._task, completed=moment.done, total=moment.total or None, note=note)

    def close(self) -> None:
        """Ends the step that was going on."""
        if self._task is not None:
            self._progress.update(self._task, completed=1, total=1, note="")
        self._task = None


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
