"""Which rows of the original were kept out of learning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from replica.control.split import Split, downward
from replica.evaluation.ground import Ground


def control_masks(ground: Ground, split: Split) -> Mapping[str, npt.NDArray[np.bool_]]:
    """Returns which rows of the original were kept out of learning, by table.

    Args:
        ground: both databases as they were read.
        split: who was kept out.

    Returns:
        For the table of persons, first, and every table below it, True for the rows of a person who was kept
        out or that lead to one: shape (rows,). Tables that lead to nobody are left out, and
        all are where the table of persons is not compared. Where whole families were
        sampled, a reference to a row that was not read leads nowhere.
    """
    if split.subject not in ground.keys:
        return {}
    masks = {split.subject: split.holds(ground.keys[split.subject])}
    for key in downward(ground.plan.schema, split.subject):
        if key.child not in ground.original or key.parent not in masks:
            continue
        pointed = ground.original[key.child].parents.get(key.id)
        if pointed is None:
            continue
        above = masks[key.parent]
        found = np.zeros(len(pointed), dtype=bool)
        found[pointed >= 0] = above[pointed[pointed >= 0]]
        masks[key.child] = masks[key.child] | found if key.child in masks else found
    return masks
