"""Values that stay, or move a little, from one row to the next.

A *twin* of a span holds the same codes for another row, such as the row before it. Embeddings alone learn slowly that
a code is like its twin: each code on its own. So a net is given two things that hold for all codes at once: a *pull*,
by which a code gains or loses likelihood according to its distance from the twin's (a pointer to what was seen, Vinyals
et al. 2015, with a kernel around it), and the *agreement*, which tells all later spans whether the twin was followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from replica.generators.base import Spans

# Distances between ordered codes are told apart exactly up to here, then in ranges that double.
_EXACT = 2
_DOUBLINGS = 4


@dataclass(frozen=True, slots=True)
class Twin:
    """Where a drawn span has a twin.

    Attributes:
        drawn: place of the span among those that are drawn.
        span: its place in the row.
        in_context: True if the twin stands in the context, False if it is observed in the row itself.
        at: the twin's place there.
        size: codes of the span.
        ordered: how many of them are ordered.
    """

    drawn: int
    span: int
    in_context: bool
    at: int
    size: int
    ordered: int


def find_twins(spans: Spans, context: Spans) -> tuple[Twin, ...]:
    """Returns the twins of all drawn spans that are known before the span is drawn."""
    drawn = [i for i, span in enumerate(spans) if not span.observed]
    place = {spans[i].name: (j, i) for j, i in enumerate(drawn)}
    found = []
    for in_context, candidates in ((True, context), (False, spans)):
        for at, twin in enumerate(candidates):
            if twin.twin not in place:
                continue
            j, i = place[twin.twin]
            if in_context or at < i:
                found.append(Twin(j, i, in_context, at, spans[i].cardinality, spans[i].ordered))
    return tuple(found)


class Twins(nn.Module):
    """The pull and the agreement of all twins of a row."""

    spans: torch.Tensor

    def __init__(self, twins: Sequence[Twin], width: int) -> None:
        super().__init__()
        self.twins = twins
        self.pulls = nn.ParameterList([nn.Parameter(torch.zeros(_ranges(twin), width)) for twin in twins])
        self.levels = nn.ParameterList([nn.Parameter(torch.zeros(_ranges(twin))) for twin in twins])
        self.agreed = nn.Parameter(torch.zeros(len(twins), width))
        self.of = {twin.drawn: [k for k, other in enumerate(twins) if other.drawn == twin.drawn] for twin in twins}
        self.register_buffer("spans", torch.tensor([twin.span for twin in twins], dtype=torch.int64), persistent=False)
        for k, twin in enumerate(twins):
            self.register_buffer(f"range{k}", _range_of(twin), persistent=False)

    def pull(self, j: int, seen: torch.Tensor, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor | None:
        """Returns what the twins of a drawn span add to its logits, (rows, codes); None without a twin.

        Args:
            j: place of the span among the drawn ones.
            seen: what its head sees; shape (rows, width).
            codes: codes of the row, known at least up to the span.
            above: codes of the context.
        """
        total = None
        for k in self.of.get(j, ()):
            twin = self.twins[k]
            weights = nn.functional.linear(seen, self.pulls[k], self.levels[k])
            # Codes beyond the span's own, as of a first row, have a row of their own that pulls nowhere.
            other = self._other(twin, codes, above).clamp(max=twin.size)
            ranges = self.get_buffer(f"range{k}")[other]
            pulled = nn.functional.pad(weights, (1, 0)).gather(1, ranges)
            total = pulled if total is None else total + pulled
        return total

    def with_agreement(self, embedded: torch.Tensor, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """Adds to embedded codes, (rows, spans, width), what it means that they are those of their twins."""
        if not self.twins:
            return embedded
        agreed = torch.stack([self._agrees(twin, codes, above) for twin in self.twins], dim=1)
        return embedded.index_add(1, self.spans, agreed.unsqueeze(2) * self.agreed)

    def agreement(self, codes: torch.Tensor, above: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Returns the sum of the same over some neighbouring spans: shape (rows, width)."""
        chosen = [k for k, twin in enumerate(self.twins) if start <= twin.span < stop]
        if not chosen:
            return self.agreed.new_zeros(len(codes), self.agreed.shape[1])
        agreed = torch.stack([self._agrees(self.twins[k], codes, above) for k in chosen], dim=1)
        return agreed @ self.agreed[chosen]

    def _agrees(self, twin: Twin, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """1 where a span's code is that of its twin: shape (rows,)."""
        return (self._other(twin, codes, above) == codes[:, twin.span]).float()

    def _other(self, twin: Twin, codes: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        return (above if twin.in_context else codes)[:, twin.at]


def _ranges(twin: Twin) -> int:
    """How many ranges of distance are told apart: the same code; for ordered ones, others on either side too."""
    return 1 + 2 * (_EXACT + _DOUBLINGS) if twin.ordered > 2 else 1


def _range_of(twin: Twin) -> torch.Tensor:
    """For each code of the twin and each code of the span, the number of their range from 1 on; 0 for none."""
    table = torch.zeros(twin.size + 1, twin.size, dtype=torch.long)
    table[torch.arange(twin.size), torch.arange(twin.size)] = 1
    if _ranges(twin) > 1:
        at = torch.arange(twin.ordered)
        distance = at[None, :] - at[:, None]
        size = distance.abs()
        doubled = _EXACT + 1 + torch.log2(size.clamp(min=_EXACT + 1) / (_EXACT + 1)).floor().long()
        step = torch.where(size <= _EXACT, size, doubled.clamp(max=_EXACT + _DOUBLINGS))
        side = torch.where(distance > 0, step, step + _EXACT + _DOUBLINGS)
        table[: twin.ordered, : twin.ordered] = torch.where(distance == 0, 0, side) + 1
    return table
