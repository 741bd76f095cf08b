"""Questions to the exported partitions: some that roll-ups answer, and some that only rows can answer."""

from __future__ import annotations

_CLASSES = ("valid", "duplicate", "bot", "head", "prefetch", "datacenter", "rate")
_COLUMNS = (
    ", ".join(f"count(*) filter (where class = '{name}') as {name}" for name in _CLASSES)
    + ", count(*) filter (where is_unique) as uniques"
    + ", sum(cost) filter (where class not in ('head', 'prefetch')) as cost"
)
# {clicks} and {conversions} are the files of the days that are asked for.
QUESTIONS = {
    "day series": f"select clicked_at::date, {_COLUMNS} from {{clicks}} group by 1 order by 1",
    "top 100 links, all columns": (
        f"select link_id, {_COLUMNS} from {{clicks}} group by 1 order by valid desc limit 100"
    ),
    "top 100 links with their conversions": (
        f"with clicked as (select link_id, {_COLUMNS} from {{clicks}} group by 1),"
        " converted as (select link_id, count(*) as conversions, sum(revenue_minor) as revenue,"
        " sum(commission_minor) as commission from {conversions} group by 1)"
        " select * from clicked left join converted using (link_id) order by valid desc limit 100"
    ),
    "source, country, device": (
        f"select source_id, country, device, {_COLUMNS} from {{clicks}} group by all order by valid desc limit 100"
    ),
    "link, sub1, sub2, browser": (
        f"select link_id, sub1, sub2, browser, {_COLUMNS} from {{clicks}} group by all order by valid desc limit 100"
    ),
    "link, sub1, sub2, browser of one source": (
        f"select link_id, sub1, sub2, browser, {_COLUMNS} from {{clicks}} where source_id = 7"
        " group by all order by valid desc limit 100"
    ),
    "hour of the day, five and a half hours east": (
        f"select hour(clicked_at + interval 330 minutes), {_COLUMNS} from {{clicks}} group by 1 order by 1"
    ),
    "city and browser of one link": (
        f"select city, browser, {_COLUMNS} from {{clicks}} where link_id = 500"
        " group by all order by valid desc limit 100"
    ),
    "newest 100 clicks of one link": (
        "select * from {clicks} where link_id = 500 order by clicked_at desc, click_id desc limit 100"
    ),
}
