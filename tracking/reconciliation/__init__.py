"""Reads a merchant's report, and compares its rows with the stored conversions. Pure."""

from __future__ import annotations

from tracking.reconciliation.cells import cell_text, parse_date_format
from tracking.reconciliation.comparison import (
    CLASS_FIXES,
    Column,
    Difference,
    Fault,
    ReportRow,
    ReportRules,
    RowClass,
    Stated,
    differences,
    read_row,
)

__all__ = [
    "CLASS_FIXES",
    "Column",
    "Difference",
    "Fault",
    "ReportRow",
    "ReportRules",
    "RowClass",
    "Stated",
    "cell_text",
    "differences",
    "parse_date_format",
    "read_row",
]
