"""Two small databases that differ: customers and their orders, the same wherever this file is read.

Both the tests and the script that asks the `syntherela` package take them from here, which is why nothing but numpy is
used, and of its generators only uniform numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CUSTOMERS = 1500
REGIONS = np.array(["north", "east", "south", "west", "islands"])
CHANNELS = np.array(["shop", "web", "phone", "agent"])

Frames = dict[str, dict[str, Any]]


def original() -> Frames:
    """Customers whose age decides how much they order, and orders of one customer that are alike."""
    return _frames(seed=1, link=1.0, shift=0.0)


def replicas() -> dict[str, Frames]:
    """Copies that are worse and worse: another sample, one that has lost its links, one that is shifted too."""
    return {
        "sample": _frames(seed=2, link=1.0, shift=0.0),
        "unlinked": _frames(seed=3, link=0.0, shift=0.0),
        "shifted": _frames(seed=4, link=0.5, shift=0.3),
    }


def _frames(seed: int, link: float, shift: float) -> Frames:
    rng = np.random.Generator(np.random.PCG64(seed))
    region = (rng.random(CUSTOMERS) ** 2 * 5).astype(int)
    age = (18 + 60 * (0.5 * rng.random(CUSTOMERS) + 0.5 * rng.random(CUSTOMERS))).astype(int)
    income = np.round(1000 + 50 * age + 400 * region + 2000 * rng.random(CUSTOMERS) + 1500 * shift, 2)
    wish = link * (age - 18) / 60 + (1 - link) * rng.random(CUSTOMERS)
    orders = np.floor(8 * wish * rng.random(CUSTOMERS)).astype(int)
    customer = np.repeat(np.arange(CUSTOMERS), orders)
    n = len(customer)
    habit = rng.random(CUSTOMERS)
    usual = link * habit[customer] + (1 - link) * rng.random(n)
    amount = np.round(10 + 90 * usual + 20 * rng.random(n) + 20 * shift, 2)
    channel = ((0.7 * usual + 0.3 * rng.random(n)) * 4).astype(int)
    quantity = 1 + (5 * rng.random(n) ** 2).astype(int)
    return {
        "customer": {
            "id": np.arange(CUSTOMERS),
            "region": REGIONS[region],
            "age": age,
            "income": income,
        },
        "purchase": {
            "id": np.arange(n),
            "customer_id": customer,
            "amount": amount,
            "channel": CHANNELS[channel],
            "quantity": quantity,
        },
    }
