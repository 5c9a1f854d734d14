"""Boosted trees: what tells samples apart, and what is trained on one of them to be used on another.

scikit-learn's histogram gradient boosting, set as XGBoost is by default, on one thread each: several run beside each
other, and threads that wait for each other cost more than they bring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NULL = 0
"""The code of a value that is not there."""

_MOST_ROUNDS, _FEWEST_ROUNDS, _ROWS_PER_ROUND = 100, 20, 200


def classifier(
    codes: Codes, labels: npt.NDArray[Any], categories: Bools, rng: np.random.Generator
) -> Callable[[Codes], Floats]:
    """Learns which label goes with which row.

    Args:
        codes: shape (rows, features).
        labels: shape (rows,).
        categories: which features are categories: shape (features,).
        rng: the random stream.

    Returns:
        What gives the probability of each label, in their order: shape (rows, labels).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - slow to import

    varying = _varying(codes)
    _, counts = np.unique(labels, return_counts=True)
    if not varying.any() or len(counts) < 2:
        return lambda rows: np.tile(counts / counts.sum(), (len(rows), 1))
    model = HistGradientBoostingClassifier(**_options(len(codes), categories[varying], rng))
    return _fitted(model, codes, varying, labels, "predict_proba")


def regressor(codes: Codes, numbers: Floats, categories: Bools, rng: np.random.Generator) -> Callable[[Codes], Floats]:
    """Learns which number goes with which row.

    Args:
        codes: shape (rows, features).
        numbers: shape (rows,).
        categories: which features are categories: shape (features,).
        rng: the random stream.

    Returns:
        What gives the number of each row: shape (rows,).
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - slow to import

    varying = _varying(codes)
    if not varying.any():
        return lambda rows: np.full(len(rows), numbers.mean())
    model = HistGradientBoostingRegressor(**_options(len(codes), categories[varying], rng))
    return _fitted(model, codes, varying, numbers, "predict")


def _varying(codes: Codes) -> Bools:
    """Which features have two different values."""
    return np.asarray((codes != codes[:1]).any(axis=0))


def _fitted(model: Any, codes: Codes, varying: Bools, targets: npt.NDArray[Any], way: str) -> Callable[[Codes], Floats]:
    with threadpool_limits(1):
        model.fit(codes[:, varying], targets)

    def predict(rows: Codes) -> Floats:
        with threadpool_limits(1):
            return np.asarray(getattr(model, way)(rows[:, varying]))

    return predict


def _options(rows: int, categories: Bools, rng: np.random.Generator) -> dict[str, Any]:
    """About as XGBoost has them; fewer rounds where there are few rows to learn from."""
    return {
        "learning_rate": 0.3,
        "max_iter": int(np.clip(rows // _ROWS_PER_ROUND, _FEWEST_ROUNDS, _MOST_ROUNDS)),
        "max_depth": 6,
        "max_leaf_nodes": 20,
        "min_samples_leaf": 20,
        "l2_regularization": 1.0,
        "early_stopping": False,
        "categorical_features": categories,
        "random_state": int(rng.integers(2**31)),
    }
