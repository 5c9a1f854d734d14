"""Asks the package SyntheRela for the figures that tests/test_detection.py compares ours with.

It needs old releases of many things, so it gets an environment of its own:

    python3.11 -m venv /tmp/syntherela && /tmp/syntherela/bin/pip install syntherela==0.0.4
    PYTHONPATH=tests /tmp/syntherela/bin/python benchmarks/syntherela_figures.py > tests/fixtures/syntherela.json
"""

from __future__ import annotations

import json
import sys
import warnings

import pandas as pd
from syntherela.metadata import Metadata
from syntherela.metrics.multi_table.detection import AggregationDetection
from syntherela.metrics.single_table.detection import SingleTableDetection
from syntherela_frames import Frames, original, replicas
from xgboost import XGBClassifier

OPTIONS = {"classifier_cls": XGBClassifier, "classifier_args": {"seed": 0}, "random_state": 42}


def main() -> None:
    warnings.simplefilter("ignore")
    found = {name: figures(frames(original()), frames(copy)) for name, copy in replicas().items()}
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def frames(tables: Frames) -> dict[str, pd.DataFrame]:
    return {name: pd.DataFrame(columns) for name, columns in tables.items()}


def figures(real: dict[str, pd.DataFrame], synthetic: dict[str, pd.DataFrame]) -> dict[str, float]:
    known = metadata()
    found = {}
    for table, rows in real.items():
        columns = known.tables[table].to_dict()
        run = SingleTableDetection(**OPTIONS).run(rows.copy(), synthetic[table].copy(), metadata=columns)
        found[f"C2ST {table}"] = run["accuracy"]
    aggregated = AggregationDetection(**OPTIONS).run(real, synthetic, metadata=known)
    return found | {f"C2ST-Agg {table}": run["accuracy"] for table, run in aggregated.items()}


def metadata() -> Metadata:
    kinds = {
        "customer": {"id": "id", "region": "categorical", "age": "numerical", "income": "numerical"},
        "purchase": {
            "id": "id",
            "customer_id": "id",
            "amount": "numerical",
            "channel": "categorical",
            "quantity": "numerical",
        },
    }
    found = Metadata()
    for table, columns in kinds.items():
        found.add_table(table)
        for column, kind in columns.items():
            found.add_column(table, column, sdtype=kind)
        found.set_primary_key(table, "id")
    found.add_relationship("customer", "purchase", "id", "customer_id")
    return found


if __name__ == "__main__":
    main()
