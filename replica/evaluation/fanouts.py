"""Numbers of children: how they are distributed along each reference, parents without any among them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from replica.evaluation.coding import fine_bins
from replica.evaluation.figures import Figure
from replica.evaluation.ground import Ground
from replica.evaluation.halves import count_cells, deal, score_halves
from replica.evaluation.scores import steps
from replica.evaluation.views import counts_of, of_fan_outs


def score_fan_outs(ground: Ground) -> Mapping[str, Figure]:
    """Do rows have as many children, along each reference? 1 less the Kolmogorov-Smirnov distance."""
    found: dict[str, Figure] = {}
    for table in ground.plan.tables:
        keys = counts_of(ground, table)
        view = of_fan_outs(ground, table)
        if not keys or not view.has_rows:
            continue
        group = deal([frame.unit for frame in view.frames], ground.rng("fan-outs", table.id))
        for i, key in enumerate(keys):
            values = tuple(frame.left[i] for frame in view.frames)
            bins = fine_bins(key, values[:2])
            counts = [count_cells(bins.cut(one), bins.size, dealt) for one, dealt in zip(values, group, strict=True)]
            rng = ground.rng("fan-outs", table.id, "halves")
            scored = score_halves([key.name], counts, lambda a, b: np.array([steps(a, b)]), rng)
            found |= scored.figures()
    return found
