"""What each span of a row listens to: few inputs where there are few rows.

A net that sees everything learns a small table by heart before it has learned what matters. So the inputs of a table,
or of each of its spans, are ranked by what they tell (mutual information, less what the same input tells when shuffled)
and taken one by one, each counted for as much as is not known from those taken before (in the line of minimum
redundancy and maximum relevance, Peng, Long and Ding 2005). How many are taken is decided by rows held out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.generators.base import Encoded

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Rows that the inputs are ranked on.
_RANKED_ON = 12_000
# Below so many rows each span chooses for itself among context and spans; below so many, the table among its context.
_BY_SPAN, _BY_TABLE = 6_000, 60_000
_FEW = (4, 8, 16)
_CONTEXT = (3, 8)
# What is known but for this share from another input is that input once more.
_ECHO = 0.02
# Nats of all rows ranked on that an input must tell, beyond what others told: what a code or two must be worth.
_WORTH = 3.0


@dataclass(frozen=True)
class Wiring:
    """What the spans of a table see.

    Attributes:
        context: places of the context's spans that are looked at.
        sees: which of those, then of the row's own spans, each drawn span sees; shape (drawn, context + spans). None
            where each sees all that is known before it.
    """

    context: tuple[int, ...]
    sees: npt.NDArray[np.bool_] | None = None


def wirings(rows: Encoded, context: Encoded, rng: np.random.Generator) -> tuple[Wiring, ...]:
    """Returns the wirings worth trying for a table, the sparest first."""
    everything = Wiring(tuple(range(len(context.spans))))
    if len(rows) >= _BY_TABLE or len(rows) < 2:
        return (everything,)
    inputs = _Inputs(rows, context, rng)
    if len(rows) < _BY_SPAN:
        # What depends on two others together shows in neither alone.
        return (*(inputs.by_span(most) for most in _FEW), everything)
    found = [inputs.by_table(most) for most in _CONTEXT if most < len(context.spans)]
    return (*found, everything)


class _Inputs:
    """Everything that a span could see, and what it tells."""

    def __init__(self, rows: Encoded, context: Encoded, rng: np.random.Generator) -> None:
        some = rng.permutation(len(rows))[:_RANKED_ON]
        self.n_context = len(context.spans)
        self.codes = np.concatenate([context.codes[some], rows.codes[some]], axis=1).astype(np.int64)
        self.sizes = [span.cardinality for span in (*context.spans, *rows.spans)]
        self.drawn = [i for i, span in enumerate(rows.spans) if not span.observed]
        self.shuffled = rng.permutation(len(some))
        self.gain = self._gains()
        self.shared = self._shared()

    def by_span(self, most: int) -> Wiring:
        """Lets each drawn span see at most some inputs."""
        sees = np.zeros(self.gain.shape, dtype=bool)
        for j, gain in enumerate(self.gain):
            sees[j, self._chosen(gain, most)] = True
        return Wiring(tuple(range(self.n_context)), sees)

    def by_table(self, most: int) -> Wiring:
        """Lets all spans see the same few of the context, and each other."""
        total = self.gain[:, : self.n_context].sum(axis=0)
        return Wiring(tuple(sorted(self._chosen(total, most))))

    def _chosen(self, gain: Floats, most: int) -> list[int]:
        chosen: list[int] = []
        news = np.ones(len(gain))
        left = gain.copy()
        while len(chosen) < most and (left * news).max(initial=0) * len(self.codes) > _WORTH:
            best = int(np.argmax(left * news))
            chosen.append(best)
            left[best] = 0
            unknown = 1 - self.shared[: len(gain), best]
            news = np.minimum(news, np.where(unknown < _ECHO, 0, unknown))
        return chosen

    def _gains(self) -> Floats:
        """What each input tells of each drawn span; 0 where it is not known before it."""
        found = np.zeros((len(self.drawn), len(self.sizes)))
        for j, i in enumerate(self.drawn):
            for k in range(self.n_context + i):
                found[j, k] = max(0.0, self._told(k, self.n_context + i))
        return found

    def _shared(self) -> Floats:
        """The share of each input's entropy that is known from each other one: shape (inputs, inputs)."""
        n = len(self.sizes)
        entropy = np.array([self._information(self.codes[:, k], k, k) for k in range(n)])
        told = np.zeros((n, n))
        for a in range(n):
            for b in range(a):
                told[a, b] = told[b, a] = max(0.0, self._told(a, b))
        shares: Floats = np.clip(told / np.maximum(entropy, 1e-9)[:, None], 0, 1)
        return shares

    def _told(self, a: int, b: int) -> float:
        """What one input tells of another, in nats per row, beyond what it seems to tell by chance."""
        codes = self.codes[:, a]
        return self._information(codes, a, b) - self._information(codes[self.shuffled], a, b)

    def _information(self, codes: Ints, a: int, b: int) -> float:
        """The mutual information of two columns of codes: the plug-in estimate."""
        table = np.bincount(codes * self.sizes[b] + self.codes[:, b], minlength=self.sizes[a] * self.sizes[b])
        table = table.reshape(self.sizes[a], self.sizes[b])
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / len(codes)
        there = table > 0
        return float((table[there] * np.log(table[there] / expected[there])).sum() / len(codes))
