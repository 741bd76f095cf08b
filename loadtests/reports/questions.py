"""What is asked: questions that operators have, those of a dashboard, and pages of clicks and conversions."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from loadtests.reports.data_set import DataSet

MONEY = "requests,net,uniques,conversions,cr,epc,revenue,commission,cost,profit,roi"
ALL = f"{MONEY},gross,valid,duplicate,bot,head,prefetch,datacenter,rate,pending,approved,rejected,reversed"


class Question(NamedTuple):
    """A question by its name and its query of GET /v1/reports; `days` are those up to yesterday."""

    name: str
    query: str
    days: int = 90


QUESTIONS = (
    Question("totals", f"columns={ALL}"),
    Question("totals, compared", f"columns={ALL}&compare=previous", 30),
    Question("day series, all columns", f"group_by=day&columns={ALL}&sort=day"),
    Question("day series by conversion date", f"group_by=day&by=conversion&columns={MONEY}&sort=day"),
    Question("weekdays", f"group_by=weekday&columns={MONEY}&sort=weekday"),
    Question("hours of the day, 30 days", "group_by=hour&columns=requests,net,conversions&sort=hour", 30),
    Question("hours of the day in another zone", "group_by=hour&columns=net&sort=hour&time_zone=Asia/Tokyo", 30),
    Question("top 100 links, all columns", f"group_by=link&columns={ALL}&sort=-net"),
    Question("top 100 links by profit, compared", f"group_by=link&columns={MONEY}&sort=-profit&compare=previous", 30),
    Question("top 100 links, second page", "group_by=link&columns=net,conversions,cr&sort=-net&limit=100"),
    Question("links of one source", f"group_by=link&source=7&columns={MONEY}&sort=-net"),
    Question("links with rules and destinations", "group_by=link,rule,destination&columns=net,conversions&sort=-net"),
    Question("one link's days", f"group_by=day&link=77&columns={MONEY}&sort=day"),
    Question("sources", f"group_by=source&columns={ALL}&sort=-net"),
    Question("sources by day", "group_by=source,day&columns=net,conversions,revenue&sort=-net"),
    Question("merchants", f"group_by=merchant&columns={MONEY}&sort=-net"),
    Question("profiles and sources", f"group_by=profile,source&columns={MONEY}&sort=-net"),
    Question("countries", f"group_by=country&columns={MONEY}&sort=-net"),
    Question("countries by day, 30 days", "group_by=country,day&columns=net,conversions&sort=-net", 30),
    Question("countries of a source without one", f"group_by=country&source=7&country=!AF&columns={MONEY}&sort=-net"),
    Question("sources, countries, devices", f"group_by=source,country,device&columns={MONEY}&sort=-net"),
    Question("devices", f"group_by=device&columns={MONEY}&sort=-net"),
    Question("systems and browsers", "group_by=os,browser&columns=net,conversions,cr&sort=-net"),
    Question("cities of three countries", f"group_by=city&country=AF,AD,AE&columns={MONEY}&sort=-net"),
    Question("referring sites of a source", "group_by=referrer&source=7&columns=net,conversions,cr&sort=-net"),
    Question("sub1 of a source", f"group_by=sub1&source=7&columns={MONEY}&sort=-net"),
    Question("sub1, all sources", f"group_by=sub1&columns={MONEY}&sort=-net"),
    Question("sub2 with its sources", f"group_by=sub2,source&columns={MONEY}&sort=-net"),
    Question("classes", "group_by=class&columns=requests"),
    Question("events", "group_by=event&columns=conversions,pending,approved,rejected,reversed,revenue"),
    Question("events of the top links", "group_by=link&columns=net,event:ftd,event:deposit,revenue&sort=-event:ftd"),
)
DASHBOARD = (
    Question("totals", f"columns={MONEY}&compare=previous", 30),
    Question("days", "group_by=day&columns=net,conversions,revenue,profit&sort=day", 30),
    Question("hours", "group_by=hour&columns=net&sort=hour", 30),
    Question("links", f"group_by=link&columns={MONEY}&sort=-net&limit=10", 30),
    Question("sources", f"group_by=source&columns={MONEY}&sort=-net&limit=10", 30),
    Question("countries", "group_by=country&columns=net,conversions&sort=-net&limit=10", 30),
    Question("devices", "group_by=device&columns=net,conversions&sort=-net", 30),
    Question("events", "group_by=event&columns=conversions,revenue", 30),
)
# Roll-ups have no such group, so these read the single clicks that are there.
FROM_PARTITIONS = (
    Question("links and browsers, a day", "group_by=link,browser&columns=net,conversions&sort=-net", 1),
    Question("sub3, a day", "group_by=sub3&columns=net&sort=-net", 1),
)
# Pages of a hundred, newest first; `{from}` and `{to}` are the first and the last day with single clicks.
PAGES = (
    ("clicks of one link", "/v1/clicks?link=7&from={from}&to={to}"),
    ("clicks of a source and country", "/v1/clicks?source=7&country=AF&from={from}&to={to}"),
    ("all clicks", "/v1/clicks?from={from}&to={to}"),
    ("conversions of one link", "/v1/reports/conversions?link=7&from={first}&to={to}"),
    ("all conversions", "/v1/conversions?"),
)


def path_of(question: Question, data_set: DataSet) -> str:
    """Return the path of a question about its last days, and today, whose clicks are stored meanwhile.

    What reads single clicks asks for the days of the data set alone: it would take longer with each click stored.
    """
    first, last = data_set.day_before_end(question.days), data_set.last_day + timedelta(days=1)
    if question in FROM_PARTITIONS:
        last = data_set.last_day
    return f"/v1/reports?{question.query}&from={first}&to={last}"
