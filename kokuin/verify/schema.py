"""The published form of a report: JSON Schema, draft 2020-12."""

from __future__ import annotations

from pathlib import Path

_FILE = Path(__file__).with_name("report.schema.json")


def report_schema() -> bytes:
    """Return the schema by which every `Report.to_dict` is valid, as JSON in UTF-8."""
    return _FILE.read_bytes()
