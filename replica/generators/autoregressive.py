"""Autoregressive generator over discretised columns: one span after the other, each given all before it.

In the line of NADE (Larochelle and Murray 2011) and TabularARGN (Tiwald et al. 2025). A row's state starts as the sum
of the embeddings of its context; each code that is known adds its embedding; the next span is drawn from a softmax
over a small block of its own on that state. So learning costs one pass over all spans at once, and sampling one
step per span over all rows at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.training import Task, torch_generator, train, use_one_thread
from replica.generators.twins import Twins, find_twins
from replica.generators.wiring import Wiring, wirings
from replica.kinds.base import Codes

Weights = Mapping[str, npt.NDArray[np.float32]]

_RATE = 8e-3
_DECAY = 0.05
# How long a wiring is tried, relative to the whole of learning.
_TRIAL = 0.3
# The logit of a code that no row of the source has.
_NEVER = -1e4


@dataclass(frozen=True)
class Autoregressive:
    """A fitted model.

    Attributes:
        spans: the spans of a row.
        context: the spans of its context.
        width: size of the state.
        wiring: what of the context, and of the row, is seen.
        weights: the parameters of the net by name.
    """

    spans: Spans
    context: Spans
    width: int
    wiring: Wiring
    weights: Weights

    @classmethod
    def fit(cls, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator) -> Self:
        """See :meth:`replica.generators.base.TableGenerator.fit`."""
        use_one_thread()
        found = wirings(rows, context, rng)
        wiring = found[0] if len(found) == 1 else _best(found, rows, context, options, rng)
        net, _ = _learn(wiring, rows, context, options, rng)
        weights = {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}
        return cls(rows.spans, context.spans, _width(len(rows)), wiring, weights)

    def sample(self, context: Codes, given: Codes, stop: int, rng: np.random.Generator) -> Codes:
        """See :meth:`replica.generators.base.TableGenerator.sample`."""
        use_one_thread()
        generator = torch_generator(rng)
        known = torch.from_numpy(given.astype(np.int64))
        above = torch.from_numpy(context.astype(np.int64))
        return self._net.sample(above, known, stop, generator).numpy()

    @property
    def net(self) -> nn.Module:
        """A net with the weights, for whoever goes on learning; forward gives the loss of each row."""
        net = _Net(self.spans, self.context, self.width, self.wiring, torch.Generator())
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights.items()})
        # What was never seen may be there all the same.
        net.get_buffer("never").zero_()
        return net

    def with_net(self, net: nn.Module) -> Self:
        """Returns the model with the weights of a net that went on learning."""
        return replace(self, weights={name: value.detach().numpy().copy() for name, value in net.state_dict().items()})

    @cached_property
    def _net(self) -> _Net:
        net = _Net(self.spans, self.context, self.width, self.wiring, torch.Generator())
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights.items()})
        return net.eval()


def _best(
    found: Sequence[Wiring], rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator
) -> Wiring:
    """Learns a little with each wiring and returns the one under which rows held out are likeliest."""
    seed = int(rng.integers(2**31))
    short = FitOptions(options.effort * _TRIAL, options.max_seconds and options.max_seconds * _TRIAL / len(found))
    scores = [_learn(wiring, rows, context, short, np.random.default_rng(seed))[1] for wiring in found]
    return found[int(np.argmin(scores))]


def _learn(
    wiring: Wiring, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator
) -> tuple[_Net, float]:
    """Returns a net that has learned, and its loss on rows held out."""
    net = _Net(rows.spans, context.spans, _width(len(rows)), wiring, torch_generator(rng))
    net.start_from(rows)
    codes = torch.from_numpy(rows.codes.astype(np.int64))
    given = torch.from_numpy(context.codes.astype(np.int64))
    task = Task(len(rows), lambda at: net.loss(codes[at], given[at]), net)
    return net, train(task, options, rng, rate=_RATE, decay=_DECAY)


def _width(rows: int) -> int:
    """A state wide enough for the rows there are, and no wider: small tables are learned by heart otherwise."""
    return int(np.select([rows < 2_000, rows < 100_000, rows < 500_000], [24, 48, 64], 96))


class _Net(nn.Module):
    """The net: embeddings that are summed, and a block and a head for every span that is drawn."""

    def __init__(self, spans: Spans, context: Spans, width: int, wiring: Wiring, generator: torch.Generator) -> None:
        super().__init__()
        self.looked_at = list(wiring.context)
        context = tuple(context[i] for i in wiring.context)
        self.sizes = [span.cardinality for span in spans]
        self.drawn = [i for i, span in enumerate(spans) if not span.observed]
        self.place = {span: j for j, span in enumerate(self.drawn)}
        self.starts = torch.from_numpy(_starts(spans))
        self.context_starts = torch.from_numpy(_starts(context))

        def random(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator) * scale)

        # From nothing, so that codes that are hardly ever seen stay without a meaning.
        self.inputs = nn.Parameter(torch.zeros(max(1, sum(self.sizes)), width))
        self.above = nn.Parameter(torch.zeros(max(1, sum(span.cardinality for span in context)), width))
        self.sees = None if wiring.sees is None else torch.from_numpy(wiring.sees.astype(np.float32))
        self.start = random(len(self.drawn), width, scale=0.1)
        self.first = random(len(self.drawn), width, width, scale=width**-0.5)
        self.second = nn.Parameter(torch.zeros(len(self.drawn), width, width))
        self.bias = nn.Parameter(torch.zeros(len(self.drawn), width))
        self.before = nn.LayerNorm(width)
        self.after = nn.LayerNorm(width)
        self.heads = nn.ParameterList([nn.Parameter(torch.zeros(self.sizes[i], width)) for i in self.drawn])
        self.levels = nn.ParameterList([nn.Parameter(torch.zeros(self.sizes[i])) for i in self.drawn])
        self.twins = Twins(find_twins(spans, context), width)
        self.register_buffer("never", torch.zeros(sum(self.sizes[i] for i in self.drawn)))

    @torch.no_grad()
    def start_from(self, rows: Encoded) -> None:
        """Starts from independent columns, so that what is not learned stays at the marginal distributions."""
        never = []
        for j, i in enumerate(self.drawn):
            counts = torch.from_numpy(np.bincount(rows.codes[:, i], minlength=self.sizes[i]).astype(np.float32))
            self.levels[j].copy_(torch.log((counts + 0.1) / (counts + 0.1).sum()))
            never.append(torch.where(counts == 0, _NEVER, 0.0))
        if never:
            self.get_buffer("never").copy_(torch.cat(never))

    def forward(self, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """See :meth:`losses`."""
        return self.losses(codes, above)

    def _masks(self) -> tuple[torch.Tensor, ...]:
        return torch.split(self.get_buffer("never"), [self.sizes[i] for i in self.drawn])

    def _state_above(self, above: torch.Tensor) -> torch.Tensor:
        """The sum of the embeddings of the context: (rows, width)."""
        if not above.shape[1]:
            return torch.zeros(len(above), self.inputs.shape[1])
        return functional.embedding(above + self.context_starts, self.above).sum(dim=-2)

    def _block(self, state: torch.Tensor, j: int | slice) -> torch.Tensor:
        """What a head sees of a state: (spans, rows, width) for a slice of spans."""
        x = self.before(state)
        hidden = functional.gelu(torch.matmul(x, self.first[j]) + self.bias[j].unsqueeze(-2))
        return self.after(x + torch.matmul(hidden, self.second[j]))  # type: ignore[no-any-return]

    def _logits(self, j: int, seen: torch.Tensor, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """The logits of a span's codes: (rows, codes)."""
        logits = functional.linear(seen, self.heads[j], self.levels[j] + self._masks()[j])
        pull = self.twins.pull(j, seen, codes, above)
        return logits if pull is None else logits + pull

    def loss(self, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """The mean over rows of the negative log likelihood of their drawn spans."""
        return self.losses(codes, above).mean()

    def losses(self, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """The negative log likelihood of the drawn spans of each row: shape (rows,)."""
        above = above[:, self.looked_at]
        embedded = self.twins.with_agreement(functional.embedding(codes + self.starts, self.inputs), codes, above)
        if self.sees is None:
            summed = torch.cumsum(embedded, dim=1) - embedded  # (rows, spans, width)
            state = summed[:, self.drawn] + self._state_above(above).unsqueeze(1) + self.start
        else:
            known = torch.cat([functional.embedding(above + self.context_starts, self.above), embedded], dim=1)
            state = torch.einsum("riw,ji->rjw", known, self.sees) + self.start
        seen = self._block(state.transpose(0, 1), slice(None))  # (drawn spans, rows, width)
        total = torch.zeros(len(codes))
        for j, i in enumerate(self.drawn):
            logits = self._logits(j, seen[j], codes, above)
            total = total + functional.cross_entropy(logits, codes[:, i], reduction="none")
        return total

    @torch.no_grad()
    def sample(self, above: torch.Tensor, given: torch.Tensor, stop: int, generator: torch.Generator) -> torch.Tensor:
        """Draws spans by inverting the distribution function: (rows, stop - given spans)."""
        n_given, above = given.shape[1], above[:, self.looked_at]
        codes = torch.zeros(len(given), stop, dtype=torch.int64)
        codes[:, :n_given] = given
        running = self._state_above(above) + self._state_of(codes, above, 0, n_given)
        for i in range(n_given, stop):
            j = self.place[i]
            state = running if self.sees is None else self._state_seen(j, codes, above)
            logits = self._logits(j, self._block(state + self.start[j], j), codes, above)
            summed = torch.softmax(logits, dim=1).cumsum(dim=1)
            draw = torch.rand(len(state), 1, generator=generator) * summed[:, -1:]
            codes[:, i] = torch.searchsorted(summed, draw).squeeze(1).clamp_(max=self.sizes[i] - 1)
            if self.sees is None and i + 1 < stop:
                running = running + self._state_of(codes, above, i, i + 1)
        return codes[:, n_given:].to(torch.int32)

    def _state_seen(self, j: int, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """The sum of what one drawn span sees: (rows, width)."""
        assert self.sees is not None  # noqa: S101 - asked only where spans choose
        state = torch.zeros(len(codes), self.inputs.shape[1])
        for k in torch.nonzero(self.sees[j]).flatten().tolist():
            i = k - above.shape[1]
            if i < 0:
                state = state + self.above[above[:, k] + self.context_starts[k]]
            else:
                state = state + self._state_of(codes, above, i, i + 1)
        return state

    def _state_of(self, codes: torch.Tensor, above: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """What the codes of some neighbouring spans add to the state: (rows, width)."""
        if start == stop:
            return torch.zeros(len(codes), self.inputs.shape[1])
        summed = functional.embedding_bag(codes[:, start:stop] + self.starts[start:stop], self.inputs, mode="sum")
        return summed + self.twins.agreement(codes, above, start, stop)


def _starts(spans: Spans) -> npt.NDArray[np.int64]:
    """Where the embeddings of each span begin."""
    return np.cumsum([0, *(span.cardinality for span in spans)])[:-1].astype(np.int64)
