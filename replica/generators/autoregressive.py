"""Autoregressive generator over discretised columns: one span after the other, each given all before it.

In the line of NADE (Larochelle and Murray 2011) and TabularARGN (Tiwald et al. 2025). A row's state starts as the sum
of the embeddings of its context; each code that is known adds its embedding; the next span is drawn from a softmax
over a small block of its own on that state. So learning costs one pass over all spans at once, and sampling one
step per span over all rows at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.devices import CPU, as_codes, as_tensor, to_draw, to_learn
from replica.generators.kept import KeptNet, weights_of, with_weights
from replica.generators.nets import draw, drawn, starting_logits, starts_of
from replica.generators.training import Pace, Task, torch_generator, train, use_one_thread
from replica.generators.twins import Twins, find_twins
from replica.generators.wiring import Wiring, wirings
from replica.kinds.base import Codes

_PACE = Pace(rate=8e-3, decay=0.05)
# How long a wiring is tried, relative to the whole of learning.
_TRIAL = 0.3


@dataclass(frozen=True)
class Autoregressive(KeptNet["_Net"]):
    """A fitted model.

    Attributes:
        wiring: what of the context, and of the row, is seen.
    """

    wiring: Wiring

    @classmethod
    def fit(cls, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator) -> Self:
        """See :meth:`replica.generators.base.TableGenerator.fit`."""
        use_one_thread()
        found = wirings(rows, context, rng)
        wiring = found[0] if len(found) == 1 else _best(found, rows, context, options, rng)
        net, _ = _learn(wiring, rows, context, options, rng)
        return cls(rows.spans, context.spans, _width(len(rows)), weights_of(net), wiring)

    def sample(self, context: Codes, given: Codes, stop: int, rng: np.random.Generator, device: str = CPU) -> Codes:
        """See :meth:`replica.generators.base.TableGenerator.sample`."""
        use_one_thread()
        generator = torch_generator(rng, to_draw(device, len(given)))
        known, above = (as_tensor(each, generator.device) for each in (given, context))
        return as_codes(self._net_on(generator.device).sample(above, known, stop, generator))

    @property
    def net(self) -> nn.Module:
        """A net with the weights, for whoever goes on learning; forward gives the loss of each row."""
        net = with_weights(self._build(), self.weights)
        # What was never seen may be there all the same.
        net.get_buffer("never").zero_()
        return net

    def with_net(self, net: nn.Module) -> Self:
        """Returns the model with the weights of a net that went on learning."""
        return replace(self, weights=weights_of(net))

    def _build(self) -> _Net:
        return _Net(self.spans, self.context, self.width, self.wiring, torch.Generator())


def _best(
    found: Sequence[Wiring], rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator
) -> Wiring:
    """Learns a little with each wiring and returns the one under which rows held out are likeliest."""
    seed = int(rng.integers(2**31))
    seconds = options.max_seconds and options.max_seconds * _TRIAL / len(found)
    short = replace(options, effort=options.effort * _TRIAL, max_seconds=seconds)
    scores = [_learn(wiring, rows, context, short, np.random.default_rng(seed))[1] for wiring in found]
    return found[int(np.argmin(scores))]


def _learn(
    wiring: Wiring, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator
) -> tuple[_Net, float]:
    """Returns a net that has learned, and its loss on rows held out."""
    device = to_learn(options.device, len(rows))
    net = _Net(rows.spans, context.spans, _width(len(rows)), wiring, torch_generator(rng, device))
    net.start_from(rows)
    net.to(device)
    codes, given = (as_tensor(each.codes, device) for each in (rows, context))
    task = Task(len(rows), lambda at: net.loss(codes[at], given[at]), net)
    return net, train(task, options, rng, _PACE)


def _width(rows: int) -> int:
    """A state wide enough for the rows there are, and no wider: small tables are learned by heart otherwise."""
    return int(np.select([rows < 2_000, rows < 100_000, rows < 500_000], [24, 48, 64], 96))


class _Net(nn.Module):
    """The net: embeddings that are summed, and a block and a head for every span that is drawn."""

    looked_at: torch.Tensor
    starts: torch.Tensor
    context_starts: torch.Tensor
    drawn_at: torch.Tensor
    sees: torch.Tensor | None

    def __init__(self, spans: Spans, context: Spans, width: int, wiring: Wiring, generator: torch.Generator) -> None:
        super().__init__()
        context = tuple(context[i] for i in wiring.context)
        self.sizes = [span.cardinality for span in spans]
        self.drawn = [i for i, span in enumerate(spans) if not span.observed]
        self.place = {span: j for j, span in enumerate(self.drawn)}
        # They go where the net goes, and are not kept with it.
        for name, places in (
            ("looked_at", torch.tensor(wiring.context, dtype=torch.int64)),
            ("starts", starts_of(spans)),
            ("context_starts", starts_of(context)),
            ("drawn_at", torch.tensor(self.drawn, dtype=torch.int64)),
            ("sees", None if wiring.sees is None else torch.from_numpy(wiring.sees.astype(np.float32))),
        ):
            self.register_buffer(name, places, persistent=False)
        self.seen = None if wiring.sees is None else [np.flatnonzero(each).tolist() for each in wiring.sees]

        # From nothing, so that codes that are hardly ever seen stay without a meaning.
        self.inputs = nn.Parameter(torch.zeros(max(1, sum(self.sizes)), width))
        self.above = nn.Parameter(torch.zeros(max(1, sum(span.cardinality for span in context)), width))
        self.start = drawn((len(self.drawn), width), 0.1, generator)
        self.first = drawn((len(self.drawn), width, width), width**-0.5, generator)
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
        found = [starting_logits(rows, i) for i in self.drawn]
        for level, (logits, _) in zip(self.levels, found, strict=True):
            level.copy_(logits)
        if found:
            self.get_buffer("never").copy_(torch.cat([never for _, never in found]))

    def forward(self, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """See :meth:`losses`."""
        return self.losses(codes, above)

    def _masks(self) -> tuple[torch.Tensor, ...]:
        return torch.split(self.get_buffer("never"), [self.sizes[i] for i in self.drawn])

    def _state_above(self, above: torch.Tensor) -> torch.Tensor:
        """The sum of the embeddings of the context: (rows, width)."""
        if not above.shape[1]:
            return self.inputs.new_zeros(len(above), self.inputs.shape[1])
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
        above = above.index_select(1, self.looked_at)
        embedded = self.twins.with_agreement(functional.embedding(codes + self.starts, self.inputs), codes, above)
        if self.sees is None:
            summed = torch.cumsum(embedded, dim=1) - embedded  # (rows, spans, width)
            state = summed.index_select(1, self.drawn_at) + self._state_above(above).unsqueeze(1) + self.start
        else:
            known = torch.cat([functional.embedding(above + self.context_starts, self.above), embedded], dim=1)
            state = torch.einsum("riw,ji->rjw", known, self.sees) + self.start
        seen = self._block(state.transpose(0, 1), slice(None))  # (drawn spans, rows, width)
        total = self.inputs.new_zeros(len(codes))
        for j, i in enumerate(self.drawn):
            logits = self._logits(j, seen[j], codes, above)
            total = total + functional.cross_entropy(logits, codes[:, i], reduction="none")
        return total

    @torch.no_grad()
    def sample(self, above: torch.Tensor, given: torch.Tensor, stop: int, generator: torch.Generator) -> torch.Tensor:
        """Draws spans by inverting the distribution function: (rows, stop - given spans)."""
        n_given, above = given.shape[1], above.index_select(1, self.looked_at)
        codes = given.new_zeros(len(given), stop)
        codes[:, :n_given] = given
        running = self._state_above(above) + self._state_of(codes, above, 0, n_given)
        for i in range(n_given, stop):
            j = self.place[i]
            state = running if self.sees is None else self._state_seen(j, codes, above)
            logits = self._logits(j, self._block(state + self.start[j], j), codes, above)
            codes[:, i] = draw(logits, generator)
            if self.sees is None and i + 1 < stop:
                running = running + self._state_of(codes, above, i, i + 1)
        return codes[:, n_given:]

    def _state_seen(self, j: int, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """The sum of what one drawn span sees: (rows, width)."""
        assert self.seen is not None  # noqa: S101 - asked only where spans choose
        state = self.inputs.new_zeros(len(codes), self.inputs.shape[1])
        for k in self.seen[j]:
            i = k - above.shape[1]
            if i < 0:
                state = state + self.above[above[:, k] + self.context_starts[k]]
            else:
                state = state + self._state_of(codes, above, i, i + 1)
        return state

    def _state_of(self, codes: torch.Tensor, above: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """What the codes of some neighbouring spans add to the state: (rows, width)."""
        if start == stop:
            return self.inputs.new_zeros(len(codes), self.inputs.shape[1])
        summed = functional.embedding_bag(codes[:, start:stop] + self.starts[start:stop], self.inputs, mode="sum")
        return summed + self.twins.agreement(codes, above, start, stop)
