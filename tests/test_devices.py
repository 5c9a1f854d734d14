"""Which device learns and draws, and which one cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from replica.errors import SettingsError, UnknownNameError
from replica.fit import _Job, _shared_out
from replica.generators.base import Encoded, FitOptions, no_context
from replica.generators.devices import DEVICES, asked_for, check_device, to_draw, to_learn
from replica.kinds.base import Span
from replica.settings import Settings

HAS_GPU = torch.cuda.is_available()
NOT_HERE = f"cuda:{torch.cuda.device_count() + 1}"


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:x", "cpu:0", "", "meta"])
def test_a_name_that_is_no_device_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown device .*: known are auto, cpu, cuda, cuda:0, mps") as error:
        Settings(device=name)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_a_device_that_is_not_there_is_refused_before_anything_is_read() -> None:
    with pytest.raises(SettingsError, match=rf"^device {NOT_HERE}: torch .* sees none here") as error:
        Settings(device=NOT_HERE)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_a_processor_is_always_there() -> None:
    check_device("cpu")
    check_device("auto")
    assert set(DEVICES) >= {"auto", "cpu", "cuda"}


def test_auto_is_a_gpu_only_where_there_is_one_and_the_table_is_worth_it() -> None:
    for choose in (to_learn, to_draw):
        assert choose("auto", 10).type == "cpu"
        assert choose("auto", 10**6).type == ("cuda" if HAS_GPU else "cpu")
        assert choose("cpu", 10**6).type == "cpu"
        assert choose("cuda:1", 10) == torch.device("cuda", 1)
    assert asked_for("auto").type == "cpu"
    assert asked_for("cuda").type == "cuda"


def job(table: str, rows: int, device: str) -> _Job:
    spans = tuple(Span(f"span {i}", 2) for i in range(10))
    encoded = Encoded(np.zeros((rows, 10), np.int32), spans)
    return _Job(table, "marginal", encoded, no_context(rows), FitOptions(device=device), 0)


def test_one_process_alone_learns_on_a_gpu_and_others_learn_the_rest() -> None:
    jobs = [job("a", 100_000, "cuda"), job("b", 90_000, "cpu"), job("c", 80_000, "cpu"), job("d", 10, "cuda")]
    shares = _shared_out(jobs, Settings(workers=8, device="cpu"))
    assert [found.table for found in shares.here] == ["a", "d"]
    assert [found.table for found in shares.elsewhere] == ["b", "c"]
    assert shares.processes == 2
    alone = _shared_out(jobs, Settings(workers=1, device="cpu"))
    assert [found.table for found in alone.here] == ["a", "b", "c", "d"]
    assert not alone.elsewhere


def test_minutes_are_shared_by_work_among_tables_that_wait_for_each_other() -> None:
    jobs = [job("a", 100_000, "cuda"), job("b", 100_000, "cpu"), job("c", 100_000, "cpu"), job("d", 300_000, "cuda")]
    settings = Settings(workers=2, max_minutes=1, device="cpu")
    shares = _shared_out(jobs, settings)
    assert [found.options.max_seconds for found in (*shares.here, *shares.elsewhere)] == [15, 45, 60, 60]
    alone = _shared_out(jobs, replace(settings, workers=1))
    assert [found.options.max_seconds for found in alone.here] == [10, 10, 10, 30]
