"""Which family learns a table, where nobody said: a rule on its size, its spans and the time there is.

What the rule is made of was measured; see ``docs/generators.md``.
"""

from __future__ import annotations

from replica.generators.base import Encoded, FitOptions

# With fewer rows, pairs are nearly all that can be learned: nets did worse on held-out halves of most such tables.
_FEW_ROWS = 500
# What a net learns per second, in rows times spans, context included at a quarter, on one slow processor.
_PER_SECOND = 20_000
# A net that gets less than this part of its time has learned less than the pairs.
_ENOUGH = 0.1


def choose_family(rows: Encoded, context: Encoded, options: FitOptions) -> str:
    """Returns the name of the family that should learn a table.

    ``marginal`` where there are few rows, where no drawn span could depend on anything, or where the time is too short
    for a net; ``autoregressive`` otherwise.
    """
    drawn = sum(not span.observed and span.cardinality > 1 for span in rows.spans)
    told = len(rows.spans) + len(context.spans)
    if len(rows) < _FEW_ROWS or drawn == 0 or told == 1:
        return "marginal"
    seconds = len(rows) * (len(rows.spans) + len(context.spans) / 4) * options.effort / _PER_SECOND
    if options.max_seconds is not None and options.max_seconds < _ENOUGH * seconds:
        return "marginal"
    return "autoregressive"
