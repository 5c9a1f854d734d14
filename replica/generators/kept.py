"""Nets as they are kept: by their weights alone, from which they are built again on the device that draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from replica.generators.base import Spans

Weights = Mapping[str, npt.NDArray[np.float32]]
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class KeptNet(ABC, Generic[N]):
    """A net that has learned a table.

    Attributes:
        spans: the spans of a row.
        context: the spans of its context.
        width: size of the net's states.
        weights: the parameters of the net by name.
    """

    spans: Spans
    context: Spans
    width: int
    weights: Weights

    @abstractmethod
    def _build(self) -> N:
        """Returns a net of the right form, with any weights."""

    @cached_property
    def _nets(self) -> dict[torch.device, N]:
        return {}

    def _net_on(self, device: torch.device) -> N:
        """Returns the net, ready to draw on a device; it stays there."""
        if device not in self._nets:
            self._nets[device] = with_weights(self._build(), self.weights).to(device).eval()
        return self._nets[device]


def with_weights(net: N, weights: Weights) -> N:
    """Gives a net what was learned, and returns it."""
    net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return net


def weights_of(net: nn.Module) -> Weights:
    """Returns what a net has learned, by name."""
    return {name: value.detach().cpu().numpy().copy() for name, value in net.state_dict().items()}
