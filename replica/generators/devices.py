"""Where nets are computed: on the processor, or on an accelerator that torch sees.

What is learned is kept in the processor's memory whatever the device, so that nothing saved tells where it was made.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from replica.errors import SettingsError, UnknownNameError
from replica.kinds.base import Codes

CPU, AUTO_DEVICE = "cpu", "auto"
DEVICES = (AUTO_DEVICE, CPU, "cuda", "cuda:0", "mps")
"""What a user may name; other numbers of CUDA devices too."""

_FORM = re.compile(r"auto|cpu|cuda(:\d+)?|mps")
# Smaller tables are learned sooner by several processes beside each other; fewer rows are drawn as soon by a processor.
_WORTH_LEARNING, _WORTH_DRAWING = 5_000, 1_000


def check_device(name: str) -> None:
    """Looks whether there is such a device.

    Raises:
        UnknownNameError: no device is called so.
        SettingsError: this machine, or the torch that is installed, has none.
    """
    if not _FORM.fullmatch(name):
        raise UnknownNameError("device", name, DEVICES)
    if name != AUTO_DEVICE and not _is_there(torch.device(name)):
        raise SettingsError(
            f"device {name}: torch {torch.__version__} sees none here: leave --device out, or install a torch for it"
        )


def to_learn(name: str, rows: int) -> torch.device:
    """Returns the device that learns a table; ``auto`` is a GPU, where there is one, for tables that are worth it."""
    return _chosen(name, worth=rows >= _WORTH_LEARNING)


def to_draw(name: str, rows: int) -> torch.device:
    """Returns the device that draws some rows at once; ``auto`` as in :func:`to_learn`."""
    return _chosen(name, worth=rows >= _WORTH_DRAWING)


def asked_for(name: str) -> torch.device:
    """Returns the device that was named; ``auto`` is the processor here, for work that no GPU was tried with."""
    return _chosen(name, worth=False)


def as_tensor(codes: npt.NDArray[np.integer[Any]], device: torch.device) -> torch.Tensor:
    """Returns codes as nets take them, on a device."""
    return torch.from_numpy(codes.astype(np.int64)).to(device)


def as_codes(found: torch.Tensor) -> Codes:
    """Returns what nets have drawn as codes."""
    return found.to(torch.int32).cpu().numpy()


def _chosen(name: str, *, worth: bool) -> torch.device:
    if name != AUTO_DEVICE:
        return torch.device(name)
    return torch.device("cuda" if worth and torch.cuda.is_available() else CPU)


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == CPU or torch.backends.mps.is_available()
