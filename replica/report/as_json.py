"""An evaluation as JSON. Values, rows and queries with their constants are in no JSON: it ends up in logs."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pydantic_core

from replica.evaluation.behaviour import BehaviourScores
from replica.evaluation.evaluate import EvaluationReport
from replica.evaluation.portrait import Portrait
from replica.report.evidence import evidence_of
from replica.report.gate import GateResult
from replica.report.page import Release


def evaluation_json(report: EvaluationReport) -> dict[str, Any]:
    """Returns every figure of an evaluation, with its summary."""
    summary = {name: getattr(report, name) for name in ("shapes", "pairs", "fan_out", "valid")}
    parts = {name: value for name, value in _printable(report).items() if name != "behaviour"}
    return {"summary": summary, **parts, "behaviour": _printable(report.behaviour)}


def gate_json(result: GateResult) -> dict[str, Any]:
    """Returns what became of a gate's limits."""
    return {"name": result.gate, "passed": result.passed, "outcomes": result.outcomes}


def confidential_json(release: Release, report: EvaluationReport, result: GateResult) -> bytes:
    """Returns the file with every figure of a confidential report."""
    evidence = {"evidence": evidence_of(release.ledger, report.privacy)} if release.ledger else {}
    return _dumped("confidential", release, {"gate": gate_json(result), **evidence, **evaluation_json(report)})


def publishable_json(release: Release, portrait: Portrait) -> bytes:
    """Returns the file with the figures of a publishable report: rows per table, and constraints."""
    return _dumped("publishable", release, {"rows": portrait.rows, "constraints": portrait.constraints})


def _dumped(kind: str, release: Release, parts: dict[str, Any]) -> bytes:
    about: dict[str, Any] = {"kind": kind, **asdict(release)}
    if kind == "publishable":
        del about["source"]
    if release.ledger is not None:
        about |= {"claim": release.ledger.claim, "spent": release.ledger.spent()}
    return pydantic_core.to_json({**about, **parts}, indent=2)


def _printable(value: EvaluationReport | BehaviourScores) -> dict[str, Any]:
    """All but what stays out of every log."""
    return {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
