"""One root seed, and any number of independent streams under it, each known by its path."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """Returns the random generator that belongs to a place in the run.

    Streams depend on their path alone, not on the order in which they are asked for, so a run gives
    the same rows whatever the number of workers.

    Args:
        seed: the root seed of the run.
        path: names and numbers that say where the stream is used, as in ``("sample", "hr.employee", 3)``.
    """
    digest = hashlib.blake2b(repr((seed, path)).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def torch_seed(rng: np.random.Generator) -> int:
    """Draws a seed for a ``torch.Generator`` from a numpy stream."""
    return int(rng.integers(0, 2**62))
