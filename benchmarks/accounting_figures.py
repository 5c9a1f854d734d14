# /// script
# requires-python = ">=3.11"
# dependencies = ["prv-accountant==0.2.0"]
# ///
"""Writes down what another accountant, of other authors, says some ledgers cost.

    uv run benchmarks/accounting_figures.py > tests/fixtures/accounting.json

``prv-accountant`` (Gopi, Lee and Wutschitz 2021, "Numerical composition of differential privacy") composes privacy loss
random variables by Fourier transforms and bounds its own error, so its figures are intervals. It runs in an environment
of its own and shares no code with ``dp-accounting``.
"""

from __future__ import annotations

import json
import sys

from prv_accountant import PRVAccountant
from prv_accountant.privacy_random_variables import GaussianMechanism, PoissonSubsampledGaussianMechanism

# Steps of mechanisms, each as noise over sensitivity, the chance that a subject takes part, and how often; then delta.
CASES = [
    ([(4.224679, 1.0, 1)], 1e-6),
    ([(30.0, 1.0, 40)], 1e-6),
    ([(15.0, 1.0, 25), (60.0, 1.0, 300)], 1e-7),
    ([(1.0, 0.0256, 2000)], 1e-6),
    ([(1.2, 0.02, 500)], 1e-6),
    ([(2.0, 0.05, 100), (20.0, 1.0, 30)], 1e-6),
    ([(0.9, 0.01, 300), (8.0, 1.0, 3), (40.0, 1.0, 60)], 1e-5),
]


def cost(steps: list[tuple[float, float, int]], delta: float) -> tuple[float, float]:
    """Returns a lower and an upper bound of epsilon."""
    mechanisms = [
        GaussianMechanism(noise_multiplier=noise)
        if rate == 1
        else PoissonSubsampledGaussianMechanism(sampling_probability=rate, noise_multiplier=noise)
        for noise, rate, _ in steps
    ]
    times = [number for *_, number in steps]
    accountant = PRVAccountant(mechanisms, max_self_compositions=times, eps_error=0.005, delta_error=delta / 1000)
    low, _, high = accountant.compute_epsilon(delta, times)
    return low, high


def main() -> None:
    """Prints the figures, a line a case."""
    lines = []
    for steps, delta in CASES:
        low, high = cost(steps, delta)
        lines.append(" " + json.dumps({"steps": steps, "delta": delta, "low": round(low, 4), "high": round(high, 4)}))
    sys.stdout.write("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
