"""Parts of nets that several families are built of. Weights are drawn from a stream that is passed in."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from replica.generators.base import Encoded, Spans

# The logit of a code that no row of the source has.
_NEVER = -1e4


class Dense(nn.Module):
    """A linear layer whose weights begin with a variance of ``scale**2 / inputs``."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = drawn((outputs, inputs), scale * inputs**-0.5, generator)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """(rows, inputs) to (rows, outputs)."""
        return functional.linear(state, self.weight, self.bias)


class Block(nn.Module):
    """A residual block, which changes nothing before it has learned (He et al. 2016, with the norm first)."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.rise = Dense(width, 2 * width, generator)
        self.fall = Dense(2 * width, width, generator, scale=0.0)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """(rows, width) to the same."""
        return state + self.fall(functional.gelu(self.rise(self.norm(state))))  # type: ignore[no-any-return]


def blocks(n: int, width: int, generator: torch.Generator) -> nn.Sequential:
    """Returns residual blocks behind each other, and a norm at the end."""
    return nn.Sequential(*(Block(width, generator) for _ in range(n)), nn.LayerNorm(width))


class Known(nn.Module):
    """What is known of rows as one vector each: the sum of the embeddings of their context and of some spans."""

    starts: torch.Tensor
    context_starts: torch.Tensor

    def __init__(
        self, spans: Spans, context: Spans, width: int, generator: torch.Generator, scale: float = 0.1
    ) -> None:
        super().__init__()
        for name, each in (("starts", spans), ("context_starts", context)):
            self.register_buffer(name, starts_of(each), persistent=False)
        sizes = [max(1, sum(span.cardinality for span in each)) for each in (spans, context)]
        self.codes, self.above = (drawn((size, width), scale, generator) for size in sizes)
        self.hidden = drawn((len(spans), width), scale, generator)

    def forward(self, above: torch.Tensor, codes: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Returns the vectors.

        Args:
            above: codes of the context; shape (rows, context spans).
            codes: codes of the rows, anything where they are not known; shape (rows, spans).
            known: 1 where they are, 0 elsewhere; shape (rows, spans).

        Returns:
            Shape (rows, width).
        """
        seen = functional.embedding_bag(codes + self.starts, self.codes, mode="sum", per_sample_weights=known)
        state: torch.Tensor = seen + (1 - known) @ self.hidden
        if above.shape[1]:
            state = state + functional.embedding_bag(above + self.context_starts, self.above, mode="sum")
        return state


class SpanBlocks(nn.Module):
    """A block for every span: what its head sees of the state that all spans share."""

    def __init__(self, spans: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.start = drawn((spans, 1, width), 0.1, generator)
        self.rise = drawn((spans, width, width), width**-0.5, generator)
        self.bias = nn.Parameter(torch.zeros(spans, 1, width))
        self.fall = nn.Parameter(torch.zeros(spans, width, width))
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)

    def of(self, i: int | slice, state: torch.Tensor) -> torch.Tensor:
        """(rows, width) to the same for one span, to (spans, rows, width) for several."""
        x = self.before(state + self.start[i])
        hidden = functional.gelu(torch.matmul(x, self.rise[i]) + self.bias[i])
        return self.after(x + torch.matmul(hidden, self.fall[i]))  # type: ignore[no-any-return]


class Heads(nn.Module):
    """Distributions over the codes of every span, beginning with the marginal ones."""

    def __init__(self, spans: Spans, width: int, generator: torch.Generator, scale: float = 0.0) -> None:
        super().__init__()
        self.sizes = [span.cardinality for span in spans]
        self.layer = Dense(width, sum(self.sizes), generator, scale)
        self.register_buffer("never", torch.zeros(sum(self.sizes)))

    @torch.no_grad()
    def start_from(self, rows: Encoded) -> None:
        """Starts from independent columns, and never gives a code that no row has."""
        levels, never = zip(*(starting_logits(rows, i) for i in range(len(self.sizes))), strict=True)
        self.layer.bias.copy_(torch.cat(levels))
        self.get_buffer("never").copy_(torch.cat(never))

    def of(self, i: int, state: torch.Tensor) -> torch.Tensor:
        """Returns the logits of one span, from vectors: shape (rows, cardinality)."""
        start = sum(self.sizes[:i])
        part = slice(start, start + self.sizes[i])
        bias = self.layer.bias[part] + self.get_buffer("never")[part]
        return functional.linear(state, self.layer.weight[part], bias)

    def forward(self, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Returns the logits of each span, from vectors: shape (rows, cardinality) each."""
        return torch.split(self.layer(state) + self.get_buffer("never"), self.sizes, dim=1)

    def loss(self, state: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Returns the negative log likelihood of each code: shape (rows, spans).

        Args:
            state: the vectors, the same for all spans or one for each; shape (rows, width) or (spans, rows, width).
            codes: the codes; shape (rows, spans).
        """
        parts = [
            functional.cross_entropy(self.of(i, state if state.ndim == 2 else state[i]), codes[:, i], reduction="none")
            for i in range(len(self.sizes))
        ]
        return torch.stack(parts, dim=1)


def draw(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draws a code per row by inverting the distribution function: shape (rows,)."""
    summed = torch.softmax(logits, dim=1).cumsum(dim=1)
    draws = torch.rand(len(logits), 1, generator=generator, device=generator.device) * summed[:, -1:]
    return torch.searchsorted(summed, draws).squeeze(1).clamp_(max=logits.shape[1] - 1)


def starting_logits(rows: Encoded, i: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the logits of a span's codes by their shares, and what bars those that no row has: (codes,) each."""
    counts = torch.from_numpy(np.bincount(rows.codes[:, i], minlength=rows.spans[i].cardinality).astype(np.float32))
    return torch.log((counts + 0.1) / (counts + 0.1).sum()), torch.where(counts == 0, _NEVER, 0.0)


def starts_of(spans: Spans) -> torch.Tensor:
    """Where the embeddings of each span begin: shape (spans,)."""
    return torch.from_numpy(np.cumsum([0, *(span.cardinality for span in spans)])[:-1].astype(np.int64))


def drawn(shape: tuple[int, ...], scale: float, generator: torch.Generator) -> nn.Parameter:
    """Returns weights with a standard deviation, drawn where the generator draws."""
    return nn.Parameter(torch.randn(shape, generator=generator, device=generator.device) * scale)
