"""Queries that add up one source of rows: the branches of a statement. Text only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from admin_api.reports.sources import Rows

# Amounts in other currencies, converted and not yet rounded, beside those in the currency of the question.
CONVERTED = "x:"


def branch(
    rows: Rows, dimensions: Sequence[str], raw: Sequence[str], figures: Mapping[str, str], join: str = ""
) -> str:
    """Return the query that adds up one source of rows. A figure that it does not have is 0."""
    sign = "-" if rows.negative else ""
    keys = [rows.key(name) for name in dimensions]
    columns = [f"{sign}{figures[name]}" if name in figures else _zero(name) for name in raw]
    grouping = f" group by {', '.join(str(index + 1) for index in range(len(keys)))}" if keys else ""
    return f"select {', '.join([*keys, *columns])} from {rows.table} {join} where {rows.where}{grouping}"  # noqa: S608


def added_up(name: str) -> str:
    """Return the SQL of a figure added up over branches."""
    # Converted amounts are exact until the end.
    return f"coalesce(sum({quoted(name)}), 0)" if name.startswith(CONVERTED) else f"report_sum({quoted(name)})"


def quoted(name: str) -> str:
    """Return a name of a figure as SQL."""
    return f'"{name}"'


def _zero(name: str) -> str:
    return "null::numeric" if name.startswith(CONVERTED) else "0::bigint"
