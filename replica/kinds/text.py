"""Free text: written anew from the words that many people use, never copied."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, is_null
from replica.kinds.quantile import QuantileCode, fit_quantiles
from replica.schema.model import Column

Ints = npt.NDArray[np.int64]

_SAMPLE = 50_000
_VOCABULARY = 8_000
_LENGTH_BINS = 16
_MAX_WORDS = 400
# How often the next word ignores the one before it, so that no source sentence is walked through from end to end.
_WANDER = 0.05
# What a text is made of when its own words may not be used.
_PLAIN_WORDS = ("lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "sed", "tempor")

_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[.,;:!?()]|\n")
_SECRET = re.compile(r"\S*[@/\\]\S*|\S*\d\S*")
_NO_SPACE_BEFORE = frozenset(".,;:!?)\n")


@dataclass(frozen=True)
class TextKind:
    """Texts as chains of words: how long a text is, which words are used, and which word follows which.

    A word, and a pair of words, is kept only when enough people wrote it; anything with a digit, an at sign or a
    slash in it is dropped before counting. One span holds the length, so that texts are as long as their rows ask.

    Attributes:
        name: the column's name.
        length: the distribution of the number of words; None without a text.
        words: the vocabulary, the commonest first; place 0 of the chains is the start of a text.
        weights: how often each word occurs, as a share; shape (words,).
        pair_starts: where the pairs of each word begin; shape (words + 2,).
        pair_next: the following word of each pair; shape (pairs,).
        pair_shares: share of each pair among those of its first word, summed up; shape (pairs,).
        nulls: True where a code stands for null.
        max_length: most characters; None without a limit.
    """

    name: str
    length: QuantileCode | None
    words: tuple[str, ...]
    weights: npt.NDArray[np.float64]
    pair_starts: Ints
    pair_next: Ints
    pair_shares: npt.NDArray[np.float64]
    nulls: bool
    max_length: int | None

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "text"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`."""
        null = is_null(data.values)
        present = np.flatnonzero(~null)
        if len(present) > _SAMPLE:
            present = np.sort(rng.choice(present, _SAMPLE, replace=False))
        texts = data.values.take(pa.array(present)).to_pylist()
        holders = data.holders[present] if data.holders is not None else np.arange(len(present))
        tokens = [tokenize(text) for text in texts]
        # Even where rows are about nobody a word has to occur twice: a text must not come back word by word.
        least = max(2, data.min_holders)
        words = _common_words(tokens, holders, least)
        chains = _chains(tokens, words, holders, least)
        counts = np.array([len(found) for found in tokens], np.float64)
        length = fit_quantiles(counts, holders, bins=_LENGTH_BINS, min_holders=data.min_holders) if texts else None
        return cls(
            name=data.column.name,
            length=length,
            words=tuple(words),
            weights=_shares(words),
            pair_starts=chains[0],
            pair_next=chains[1],
            pair_shares=chains[2],
            nulls=bool(null.any()),
            max_length=data.column.type.length,
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        bins = self.length.bins if self.length else 0
        return (Span(f"{self.name} length", max(1, bins + self.nulls), ordered=bins),)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        codes = np.zeros(len(values), np.int32)
        if self.length is not None:
            counts = [0 if text is None else len(tokenize(text)) for text in values.to_pylist()]
            codes = self.length.encode(np.array(counts, np.float64))
            codes[is_null(values)] = self.length.bins if self.nulls else 0
        return codes[:, None]

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if self.length is None:
            return pa.nulls(len(codes), pa.string())
        code = codes[:, 0]
        counts = np.round(self.length.decode(np.minimum(code, self.length.bins - 1), rows.rng)).astype(np.int64)
        texts = self._write(np.clip(counts, 0, _MAX_WORDS), rows.rng)
        null = self.nulls & (code == self.length.bins)
        return pa.array(
            [None if missing else text for text, missing in zip(texts, null.tolist(), strict=True)], pa.string()
        )

    def _write(self, counts: Ints, rng: np.random.Generator) -> list[str]:
        """Writes texts of the given numbers of words, all of them one word further at a time."""
        words = self.words or _PLAIN_WORDS
        chosen = np.full((len(counts), int(counts.max(initial=0))), -1, np.int64)
        state = np.zeros(len(counts), np.int64)
        for step in range(chosen.shape[1]):
            here = np.flatnonzero(counts > step)
            state[here] = self._next(state[here], rng)
            chosen[here, step] = state[here] - 1
        return [
            self._fitted(join_tokens([words[i] for i in row[:count]]))
            for row, count in zip(chosen, counts, strict=True)
        ]

    def _next(self, state: Ints, rng: np.random.Generator) -> Ints:
        """Draws the word after each state; state and word are places from 1, and 0 is the start."""
        n_words = len(self.words) or len(_PLAIN_WORDS)
        draws = rng.random(len(state))
        if not self.words:
            return 1 + (draws * n_words).astype(np.int64)
        anywhere = 1 + np.searchsorted(np.cumsum(self.weights), draws, side="right").clip(0, n_words - 1)
        begin, end = self.pair_starts[state], self.pair_starts[state + 1]
        wander = (begin == end) | (rng.random(len(state)) < _WANDER)
        if not len(self.pair_next):
            return anywhere
        # Shares of state s lie in (s, s + 1], so one search serves all states.
        place = np.searchsorted(self._shelf, state + draws, side="right")
        following = self.pair_next[np.clip(place, begin, np.maximum(begin, end - 1)).clip(0, len(self.pair_next) - 1)]
        return np.where(wander, anywhere, following + 1)

    @cached_property
    def _shelf(self) -> npt.NDArray[np.float64]:
        owner = np.repeat(np.arange(len(self.pair_starts) - 1), np.diff(self.pair_starts))
        return owner + self.pair_shares

    def _fitted(self, text: str) -> str:
        if self.max_length is None or len(text) <= self.max_length:
            return text
        return text[: self.max_length].rsplit(" ", 1)[0] or text[: self.max_length]


def tokenize(text: str) -> list[str]:
    """Cuts a text into words and punctuation, without anything that may be a number, an address or a link.

    >>> tokenize("Met Ann (ann@x.org) twice in 2024, fine.")
    ['Met', 'Ann', 'twice', 'in', 'fine', '.']
    """
    return _TOKEN.findall(_SECRET.sub(" ", text))


def join_tokens(tokens: list[str]) -> str:
    """Writes tokens as a text; a start and what follows a full stop gets its capital from the words themselves."""
    parts: list[str] = []
    for token in tokens:
        if parts and token not in _NO_SPACE_BEFORE and parts[-1] not in ("(", "\n"):
            parts.append(" ")
        parts.append(token)
    return "".join(parts)


def _common_words(tokens: list[list[str]], holders: Ints, least: int) -> dict[str, int]:
    """Words that enough people use, with their counts, the commonest first."""
    counts = Counter(word for found in tokens for word in found)
    enough = [word for word, count in counts.most_common() if count >= least]
    users: dict[str, set[int]] = {word: set() for word in enough}
    for found, holder in zip(tokens, holders.tolist(), strict=True):
        for word in found:
            if word in users and len(users[word]) < least:
                users[word].add(holder)
    return {word: counts[word] for word in enough if len(users[word]) >= least and word != "\n"}


def _chains(
    tokens: list[list[str]], words: dict[str, int], holders: Ints, least: int
) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Pairs of words that enough people wrote, grouped by their first word."""
    kept = dict(list(words.items())[:_VOCABULARY])
    place = {word: i + 1 for i, word in enumerate(kept)}
    counts: Counter[tuple[int, int]] = Counter()
    users: dict[tuple[int, int], set[int]] = {}
    for found, holder in zip(tokens, holders.tolist(), strict=True):
        known = [0, *(place.get(word, -1) for word in found)]
        for pair in pairwise(known):
            if -1 not in pair:
                counts[pair] += 1
                who = users.setdefault(pair, set())
                if len(who) < least:
                    who.add(holder)
    pairs = sorted(pair for pair in counts if len(users[pair]) >= least)
    first = np.array([pair[0] for pair in pairs], np.int64)
    weight = np.array([counts[pair] for pair in pairs], np.float64)
    starts = np.searchsorted(first, np.arange(len(words) + 2))
    totals = np.bincount(first, weights=weight, minlength=len(words) + 1)
    shares = np.cumsum(weight) - np.concatenate([[0.0], np.cumsum(totals)])[first] if pairs else weight
    shares = shares / totals[first] if pairs else shares
    return starts, np.array([pair[1] - 1 for pair in pairs], np.int64), shares


def _shares(words: dict[str, int]) -> npt.NDArray[np.float64]:
    counts = np.array(list(words.values()), np.float64)
    return counts / counts.sum() if len(counts) else counts
