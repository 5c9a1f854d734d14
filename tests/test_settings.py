"""Settings refuse what no run could use, and say what would do."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replica import Settings
from replica.errors import SettingsError, UnknownNameError
from replica.generators import CHOICES, DEFAULT_GENERATOR


def test_the_defaults_are_a_whole_run_of_the_source_as_it_is() -> None:
    found = Settings()
    assert (found.seed, found.scale, found.effort, found.family) == (0, 1.0, 1.0, DEFAULT_GENERATOR)
    assert (found.rows, found.include, found.exclude, found.map_path) == ({}, (), (), None)
    assert (found.max_minutes, found.replace) == (None, False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": 0}, "scale 0 is out of range: give a number above 0, up to 10000"),
        ({"scale": -1.5}, "scale -1.5 is out of range"),
        ({"scale": 10_001}, "scale 10001 is out of range"),
        ({"scale": math.nan}, "scale nan is out of range"),
        ({"scale": math.inf}, "scale inf is out of range"),
        ({"workers": 0}, "workers must be above 0, however: 0"),
        ({"workers": -2}, "workers must be above 0, however: -2"),
        ({"max_minutes": 0}, "max minutes must be above 0, however: 0"),
        ({"max_minutes": -0.5}, "max minutes must be above 0, however: -0.5"),
        ({"effort": 0}, "effort must be above 0, however: 0"),
        ({"min_holders": 0}, "min holders must be at least 1, however: 0"),
        ({"fit_rows": 99}, "fit rows must be at least 100, however: 99"),
        ({"rows": {"public.a": 1, "public.b": -1}}, "--rows public.b=-1: a number of rows cannot be negative"),
        ({"effort": math.nan}, "effort"),
        ({"max_minutes": math.nan}, "max minutes"),
    ],
)
def test_a_value_out_of_range_is_refused_and_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match="^" + re.escape(message)):
        Settings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"scale": 1e-6},
        {"scale": 10_000},
        {"workers": 1},
        {"max_minutes": 0.001},
        {"effort": 0.01},
        {"min_holders": 1},
        {"fit_rows": 100},
        {"rows": {"public.a": 0}},
        {"seed": -1},
        {"seed": 2**70},
    ],
)
def test_a_value_at_the_edge_is_taken(values: dict[str, Any]) -> None:
    found = Settings(**values)
    assert {name: getattr(found, name) for name in values} == values


def test_an_unknown_generator_is_refused_with_those_that_exist() -> None:
    known = ", ".join(sorted(CHOICES))
    with pytest.raises(UnknownNameError, match=f"^unknown generator 'magic': known are {known}$") as error:
        Settings(generator="magic")
    assert isinstance(error.value, SettingsError)
    assert error.value.exit_code == SettingsError.exit_code == 2


@pytest.mark.parametrize("name", CHOICES)
def test_every_generator_may_be_chosen(name: str) -> None:
    assert Settings(generator=name).generator == name


def test_settings_do_not_change_but_give_others_that_are_checked_too() -> None:
    found = Settings()
    with pytest.raises(FrozenInstanceError):
        found.seed = 1  # type: ignore[misc]
    assert replace(found, seed=1).seed == 1
    with pytest.raises(SettingsError):
        replace(found, scale=0)


@given(st.integers(1, 500))
def test_as_many_processes_are_used_as_workers_are_asked_for(workers: int) -> None:
    assert Settings(workers=workers).processes == workers


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process to processors")
def test_without_workers_only_the_processors_that_may_be_used_are_counted() -> None:
    one = min(os.sched_getaffinity(0))
    script = f"import os; os.sched_setaffinity(0, {{{one}}}); import replica; print(replica.Settings().processes)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert Settings().processes == len(os.sched_getaffinity(0))
