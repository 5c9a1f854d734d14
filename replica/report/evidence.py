"""What attacks say of a claim of differential privacy: they can disprove it, and never prove it."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import beta

from replica.evaluation.attacks.base import PrivacyReport
from replica.evaluation.attacks.likenesses import SCORES
from replica.evaluation.attacks.membership import SUREST
from replica.privacy.auditing import ERROR, OneRun
from replica.privacy.ledger import Ledger, most_found

# Of those who were not learned, the share that the surest guesses may be wrong about.
_FALSE = 0.01


@dataclass(frozen=True)
class Evidence:
    """Attacks beside a claim.

    Attributes:
        run: the audit; None where nobody was kept out of learning.
        disproved: the greatest epsilon that it disproves.
        found: at least such a share of those who were learned is told by the surest guesses; None likewise.
        possible: the largest share that any attack can tell where the claim holds.
        consistent: False where the claim is disproved.
    """

    run: OneRun | None
    disproved: float
    found: float | None
    possible: float
    consistent: bool


def evidence_of(ledger: Ledger, privacy: PrivacyReport | None) -> Evidence:
    """Holds what attacks found against a claim.

    Args:
        ledger: the claim.
        privacy: what attacks found; None where none was tried.
    """
    run = privacy.audit if privacy is not None else None
    disproved = run.disproved(ledger.delta) if run is not None else 0.0
    surest = (
        next((a for a in privacy.attacks if a.name == SUREST.name and a.figure is not None), None) if privacy else None
    )
    if surest is None or surest.figure is None:
        return Evidence(run, disproved, None, most_found(ledger, _FALSE), disproved <= ledger.epsilon)
    pairs = surest.n // 2
    hits, wrong = round(surest.figure * pairs), int(_FALSE * pairs)
    # The surest guesses are those of the best score; each gets its part of the error.
    error = ERROR / (2 * len(SCORES))
    found = float(beta.ppf(error, hits, pairs - hits + 1)) if hits else 0.0
    possible = most_found(ledger, float(beta.ppf(1 - error, wrong + 1, pairs - wrong)))
    return Evidence(run, disproved, found, possible, disproved <= ledger.epsilon and found <= possible)
