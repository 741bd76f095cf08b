"""The task that folds clicks and conversions into roll-ups, in small transactions, until nothing waits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rq import Queue

from tracking.runtime import QueueName
from worker.reports.clicks import Turn, fold_some_clicks
from worker.reports.conversions import fold_some_conversions
from worker.reports.days import build_day, drop_hours
from worker.runtime import Resources, log, resources

# More batches than this are a backlog. It goes first, until something has waited for so long.
BACKLOG_BATCHES = 4
OVERDUE_S = 60.0
REMEDY = "python -m worker.reports rebuild"
_OVERDUE = (
    "select exists (select from report_queue where spool_id is not null"
    " and noted_at < now() - make_interval(secs => %(s)s))"
    " or exists (select from report_conversion_queue where noted_at < now() - make_interval(secs => %(s)s))"
)
Step = Callable[..., int | None]
STEPS: tuple[Step, ...] = (fold_some_clicks, fold_some_conversions, build_day)


def fold_reports() -> None:
    """Fold what waits, as far as one turn goes."""
    used = resources.current()
    goes_on = used.turn()
    folded = fold(used.database.run, Turn(used.reports, used.now_s()), lambda: goes_on() and not _gives_way(used))
    used.tally.add(folded=folded)


def drop_report_hours() -> None:
    """Delete the hours that are older than they are kept, and say so if days are not in the zone of the setting."""
    used = resources.current()
    goes_on = used.turn()
    turn = Turn(used.reports, used.now_s())
    while goes_on() and used.database.run(partial(drop_hours, turn=turn)) is not None:
        pass
    row = used.database.run(lambda connection: connection.execute("select time_zone from report_state").fetchone())
    if row and row[0] not in (None, used.reports.time_zone):
        log(
            "report-zone-differs",
            kept=row[0],
            setting=used.reports.time_zone,
            remedy=REMEDY,
        )


def fold(run: Callable[[Step], int | None], turn: Turn, goes_on: Callable[[], bool]) -> int:
    """Fold clicks, then conversions, then build days; return how many rows. `run` is that of a Database."""
    folded = 0
    for step in STEPS:
        while goes_on():
            done = run(partial(step, turn=turn))
            if done is None:
                break
            folded += done
    return folded


def _gives_way(used: Resources) -> bool:
    """Return whether batches wait to be stored, which comes first, and nothing has waited for long to be folded."""
    if Queue(QueueName.CLICKS, connection=used.redis).count <= BACKLOG_BATCHES:
        return False
    overdue = used.database.run(lambda connection: connection.execute(_OVERDUE, {"s": OVERDUE_S}).fetchone())
    return not (overdue and overdue[0])
