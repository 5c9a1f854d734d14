"""Noise from the operating system's cryptographic generator: nobody can repeat it, a seed of the user's least of all.

Counts get the discrete Gaussian of Canonne, Kamath and Steinke (2020), sampled exactly as in their Algorithms 1 to 3:
in whole numbers throughout, so that no rounding shows what was added to what. Sums of gradients are no whole numbers;
they get normal draws made as in Holohan and Braghin (2021), four of which make one, so that the gaps between
floating-point numbers tell nothing.
"""

from __future__ import annotations

import math
import os

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Beyond this, products of the sampler no longer fit into 64 bits.
_MOST_VARIANCE = 10**8
_CHUNK = 2**18


def random_words(n: int) -> npt.NDArray[np.uint64]:
    """Returns random 64-bit words: shape (n,)."""
    return np.frombuffer(os.urandom(8 * n), np.uint64)


def random_below(bounds: Ints) -> Ints:
    """Returns a uniform whole number below each bound, without bias: shape (bounds,).

    Args:
        bounds: from 1 to 2**62.
    """
    limit = bounds.astype(np.uint64)
    found = random_words(len(bounds))
    # The words above the last whole multiple of a bound would make small numbers likelier.
    most = np.uint64(2**64 - 1) - (np.uint64(2**64 - 1) % limit + np.uint64(1)) % limit
    again = np.flatnonzero(found > most)
    while len(again):
        found = found.copy()
        found[again] = random_words(len(again))
        again = again[found[again] > most[again]]
    return (found % limit).astype(np.int64)


def random_order(n: int) -> Ints:
    """Returns a random order of ``n`` things."""
    return np.argsort(random_words(n), kind="stable").astype(np.int64)


def coin_flips(n: int, probability: float) -> Flags:
    """Returns which of ``n`` coins came down: shape (n,)."""
    return random_words(n) < np.uint64(min(2**64 - 1, int(probability * 2**64)))


def discrete_gaussian(n: int, variance: int) -> Ints:
    """Draws the discrete Gaussian on the whole numbers, exactly: shape (n,).

    Canonne, Kamath and Steinke (2020), Algorithm 3. Beyond a sigma of ten thousand, the sum of narrower draws, which is
    the same but for a part in exp(10**8) (Kairouz, Liu and Steinke 2021, Theorem 9).

    Args:
        n: how many draws.
        variance: the parameter sigma squared, a whole number from 1.

    Raises:
        ValueError: the variance is below 1.
    """
    if variance < 1:
        raise ValueError("the variance of discrete Gaussian noise must be 1 or more")
    terms = -(-variance // _MOST_VARIANCE)
    if terms > 1:
        draws = [discrete_gaussian(n, -(-variance // terms)) for _ in range(terms)]
        return np.asarray(np.sum(draws, axis=0), dtype=np.int64)
    parts = [_gaussian_chunk(min(_CHUNK, n - start), variance) for start in range(0, n, _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _gaussian_chunk(n: int, variance: int) -> Ints:
    scale = math.isqrt(variance) + 1
    found = np.empty(n, np.int64)
    open_ = np.arange(n)
    while len(open_):
        drawn = _discrete_laplace(len(open_), scale)
        # Accepted with probability exp(-(|y| - variance / scale)^2 / (2 variance)), as a fraction of whole numbers. A
        # draw so far out that the fraction passes 64 bits is accepted with a probability below exp(-200): never.
        distance = np.abs(np.abs(drawn) * scale - variance)
        possible = distance < 2**31
        upper, lower = np.where(possible, distance, 0) ** 2, np.full(len(open_), 2 * variance * scale * scale)
        taken = possible & _bernoulli_exp(upper, lower)
        found[open_[taken]] = drawn[taken]
        open_ = open_[~taken]
    return found


def _discrete_laplace(n: int, scale: int) -> Ints:
    """Draws the discrete Laplace distribution of a whole scale (Algorithm 2): shape (n,)."""
    found = np.empty(n, np.int64)
    open_ = np.arange(n)
    while len(open_):
        low = random_below(np.full(len(open_), scale))
        taken = _bernoulli_exp(low, np.full(len(open_), scale))
        high = _geometric(int(taken.sum()))
        size = low[taken] + scale * high
        negative = coin_flips(len(size), 0.5)
        # Zero must not come twice as often: as minus zero it is drawn again.
        kept = ~(negative & (size == 0))
        at = np.flatnonzero(taken)[kept]
        found[open_[at]] = np.where(negative, -size, size)[kept]
        left = np.ones(len(open_), dtype=bool)
        left[at] = False
        open_ = open_[left]
    return found


def _geometric(n: int) -> Ints:
    """How often a coin with probability exp(-1) comes down before it does not: shape (n,)."""
    found = np.zeros(n, np.int64)
    going = np.arange(n)
    ones = np.ones(n, np.int64)
    while len(going):
        going = going[_bernoulli_exp(ones[: len(going)], ones[: len(going)])]
        found[going] += 1
    return found


def _bernoulli_exp(upper: Ints, lower: Ints) -> Flags:
    """Flips coins with probability exp(-upper / lower), exactly (Algorithm 1): shape (coins,)."""
    whole, rest = upper // lower, upper % lower
    found = _bernoulli_exp_below_one(rest, lower)
    # exp(-whole) is as many coins of exp(-1), all of which must come down.
    going = np.flatnonzero(found & (whole > 0))
    left = whole.copy()
    while len(going):
        ones = np.ones(len(going), np.int64)
        down = _bernoulli_exp_below_one(ones, ones)
        found[going[~down]] = False
        left[going] -= 1
        going = going[down & (left[going] > 0)]
    return found


def _bernoulli_exp_below_one(upper: Ints, lower: Ints) -> Flags:
    """The same for fractions from 0 to 1: the parity of how many coins of fraction / k come down in a row."""
    found = np.zeros(len(upper), dtype=bool)
    going = np.arange(len(upper))
    k = 1
    while len(going):
        stops = _above(upper[going], lower[going], k)
        # Stopping at an odd place is a success.
        found[going[stops]] = k % 2 == 1
        going = going[~stops]
        k += 1
    return found


def _above(upper: Ints, lower: Ints, k: int) -> Flags:
    """Flips coins that come down with probability upper / (lower k), and returns which do not."""
    first = random_below(lower) >= upper
    if k == 1:
        return first
    # upper / lower and 1 / k are two coins of their own: their product needs no wider numbers.
    second: Flags = random_below(np.full(len(lower), k)) > 0
    return first | second


def normal(n: int, scale: float) -> Floats:
    """Draws normal noise for sums that are no whole numbers: shape (n,).

    Holohan and Braghin (2021), "Secure random sampling in differential privacy": half the sum of four draws is normal
    again, and cannot be traced back to the bits that it came from.
    """
    whole = 2 * -(-n // 2)
    uniform = ((random_words(4 * whole) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    first, second = uniform.reshape(2, 2 * whole)
    radius = np.sqrt(-2 * np.log(first))
    angle = 2 * np.pi * second
    draws = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return np.asarray(draws.reshape(4, whole).sum(axis=0)[:n] * (scale / 2))
