"""Checks that the daily counts are those of the rows: gross = net + the other classes, of today and yesterday."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tracking.issues import IssueKind
from worker.issues import open_issue, resolve_issues
from worker.runtime import Connection, log, resources
from worker.traffic.moments import DAY_MS, start_of

_SHOWN = 20
# Issues of days that are not looked at any more stay for the operator.
_OTHERS = "select subject_key from issues where kind = %s and state = 'open' and subject_key <> all(%s)"
# One statement sees one moment, and every transaction changes rows and counts together. An id may be a little older or
# newer than its click.
_DIFFERENCES = """
with counted as (
    select link_id, class, clicks, uniques from click_days where day = %(day)s and (clicks <> 0 or uniques <> 0)
), found as (
    select link_id, class, count(*) as clicks, count(*) filter (where is_unique) as uniques from clicks
    where click_id >= %(low)s and click_id < %(high)s and clicked_at >= %(from)s and clicked_at < %(to)s
    group by 1, 2
)
select link_id, class, coalesce(counted.clicks, 0), coalesce(counted.uniques, 0), coalesce(found.clicks, 0),
    coalesce(found.uniques, 0)
from counted full join found using (link_id, class)
where (counted.clicks, counted.uniques) is distinct from (found.clicks, found.uniques)
order by 1, 2 limit %(most)s
"""


def check_counts() -> None:
    """Open an issue for each of the last two days whose counts are not those of the rows."""
    used = resources.current()
    today = datetime.fromtimestamp(used.now_s(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    wrong = used.database.run(lambda connection: check_days(connection, [today - timedelta(days=1), today]))
    if wrong:
        log("counts-differ", days=wrong)


def check_days(connection: Connection, days: list[datetime]) -> int:
    """Check days, each by its first moment in UTC; return how many are wrong, and have an issue now."""
    wrong = []
    with connection.transaction():
        for day in days:
            differences = _differences(connection, day)
            if differences:
                name = day.date().isoformat()
                wrong.append(name)
                title = f"The clicks of {name} are not what is counted of them"
                open_issue(connection, IssueKind.COUNTS_DIFFER, name, title, {"differences": differences})
        checked = [day.date().isoformat() for day in days]
        others = [key for (key,) in connection.execute(_OTHERS, [IssueKind.COUNTS_DIFFER.value, checked])]
        resolve_issues(connection, IssueKind.COUNTS_DIFFER, [*wrong, *others], "the counts are those of the rows again")
    return len(wrong)


def _differences(connection: Connection, day: datetime) -> list[dict[str, object]]:
    start_ms = int(day.timestamp() * 1000)
    values = {
        "day": day.date(),
        "low": start_of(start_ms - DAY_MS),
        "high": start_of(start_ms + 2 * DAY_MS),
        "from": day,
        "to": day + timedelta(days=1),
        "most": _SHOWN,
    }
    names = ("link_id", "class", "counted", "counted_uniques", "stored", "stored_uniques")
    return [dict(zip(names, row, strict=True)) for row in connection.execute(_DIFFERENCES, values, prepare=False)]
