"""The outcomes of a gate as JUnit XML, which every CI system shows as tests."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from replica.report.gate import GateResult


def junit_xml(result: GateResult) -> bytes:
    """Returns the XML: a test per limit. What does not apply, or may be missing, is skipped."""
    skipped = [one for one in result.outcomes if one.passed and one.status in ("not run", "does not apply")]
    counts = {"tests": len(result.outcomes), "failures": len(result.failed), "errors": 0, "skipped": len(skipped)}
    suites = ET.Element("testsuites")
    suite = ET.SubElement(suites, "testsuite", {"name": f"replica, {result.gate}", **_texts(counts)})
    for outcome in result.outcomes:
        case = ET.SubElement(
            suite, "testcase", {"classname": f"replica.{outcome.name.partition('.')[0]}", "name": outcome.name}
        )
        if not outcome.passed:
            failure = ET.SubElement(case, "failure", {"message": f"{outcome.title}: {outcome.text}"})
            failure.text = outcome.status
        elif outcome in skipped:
            ET.SubElement(case, "skipped", {"message": outcome.text})
        ET.SubElement(case, "system-out").text = f"{outcome.title}: {outcome.text}"
    ET.indent(suites)
    text: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text


def _texts(counts: dict[str, int]) -> dict[str, str]:
    return {name: str(count) for name, count in counts.items()}
