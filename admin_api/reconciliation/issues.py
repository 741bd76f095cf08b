"""Opens the issues of a reconciliation run: one for each class of rows that an operator has to look at. SQL only."""

from __future__ import annotations

from collections.abc import Sequence

from admin_api.issues import open_issue
from admin_api.reconciliation.objects import DifferenceDetail, Figures
from admin_api.reconciliation.runs import load_run
from admin_api.runtime import Database, Row
from tracking.issues import IssueKind
from tracking.reconciliation import CLASS_FIXES, RowClass

_KIND = IssueKind.RECONCILIATION_DIFFERENCE
_TITLE_CHARACTERS_MAX = 300
_WORDS = {
    RowClass.DIFFERENT: "differ",
    RowClass.MISSING_HERE: "are missing here",
    RowClass.MISSING_THERE: "are missing there",
    RowClass.AMBIGUOUS: "could be about several conversions",
    RowClass.BAD_ROW: "cannot be read",
}


def open_issues(database: Database, run: int, classes: Sequence[RowClass]) -> list[Row]:
    """Open an issue for each class of these that has rows, and return them. Raises NotFoundError.

    If it is asked again, an open issue is counted once more, and a resolved one is opened again.
    """
    with database.transaction():
        loaded = load_run(database, run)
        merchant_id = loaded["merchant_id"]
        merchant = database.execute("select name from merchants where merchant_id = %s", [merchant_id]).fetchone()
        assert merchant is not None
        report = f"the report of {merchant['name']}, {loaded['first_day']} to {loaded['last_day']}"
        opened = []
        # Issues are locked in the order of their keys.
        for kind in sorted(set(classes)):
            detail = _detail(run, kind, Figures.of_minor(loaded["figures"][kind]))
            if not detail.rows:
                continue
            key = f"reconciliation:{run}:{kind}"
            title = f"{detail.rows} rows of {report}, {_WORDS[kind]}"[:_TITLE_CHARACTERS_MAX]
            open_issue(database, _KIND, key, title, detail.model_dump(mode="json"), merchant_id=merchant_id)
            opened.append(key)
        return database.execute(
            "select issue_id, kind, state, title, detail, merchant_id, count, opened_at, last_seen_at from issues"
            " where kind = %s and subject_key = any(%s) order by issue_id",
            [_KIND.value, opened],
        ).fetchall()


def _detail(run: int, kind: RowClass, figures: Figures) -> DifferenceDetail:
    return DifferenceDetail(
        **figures.model_dump(),
        reconciliation_id=run,
        kind=kind,
        rows_at=f"/v1/reconciliations/{run}/rows?class={kind}",
        fix=CLASS_FIXES[kind],
    )
