"""Cells of CSV files: what a spreadsheet would run stays text, and the text can be read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.http import unguarded
from admin_api.http.csv_export import csv_cell


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n5a. "), max_size=6))
def test_a_guarded_cell_never_begins_like_a_formula_and_is_read_back(text: str) -> None:
    cell = csv_cell(text)
    assert unguarded(cell) == text
    assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("text", ["-5", "'", "'a", "a=b", ""])
def test_text_that_no_spreadsheet_runs_is_written_as_it_is(text: str) -> None:
    assert csv_cell(text) == text
