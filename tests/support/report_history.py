"""Random histories of clicks and conversions, made with the worker's own functions, for tests of roll-ups."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import psycopg

import worker_cases as cases
from config.settings import ReportSettings
from tracking.spool import Click
from tracking.traffic import TrafficLimits
from worker.clicks import store_batch
from worker.postbacks import store_batch as store_postbacks
from worker.privacy.table import erase_all
from worker.reports.clicks import Turn, fold_some_clicks
from worker.reports.conversions import fold_some_conversions
from worker.reports.days import build_day, drop_hours
from worker.runtime import Connection, Resources
from worker.traffic import settle

ZONE = "Europe/Vienna"
DAY_MS = 86_400_000
DAYS = 6
SPOOLS = ("7-0-3fa9c1d2-clicks", "7-1-3fa9c1d3-clicks")
LIMITS = TrafficLimits(duplicate_window_s=10, per_address_per_minute=3, unique_window_hours=1)
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Mozilla/5.0 (iPhone) Safari/604.1")
ADDRESSES = ("192.0.2.7", "81.10.10.10", "8.8.8.8", "")
QUERIES = ("sub1=one&cost=0.5", "sub1=two&sub2=x", "cost=20000.5", "", "sub1=" + "a" * 200, "sub2=%C3%A9&cost=0.000001")
REFERRERS = ("https://ref.example/page", "https://other.example/", "")
SETTINGS = ReportSettings(time_zone=ZONE, hours_days=2)
TABLES = (
    *("clicks", "click_days", "spool_progress", "settling", "settling_minutes", "link_history", "postbacks"),
    *("conversion_changes", "bookings", "entries", "conversions", "deliveries", "issues", "erasures"),
    *("report_queue", "report_marks", "report_click_changes", "report_conversion_queue", "report_conversions"),
    "report_recent",
    *("report_days", "report_gaps"),
)
_GENERATIONS = count()
_NUMBERS = count()


@dataclass
class History:
    """A history that goes on by random steps. `records` are all clicks of each spool, stored or not."""

    used: Resources
    connection: Connection
    random: Random
    settings: ReportSettings = SETTINGS
    records: dict[str, list[Click]] = field(default_factory=lambda: {spool: [] for spool in SPOOLS})
    done: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        """Do one step by its name."""
        self.done.append(name)
        getattr(self, name)()

    def turn(self) -> Turn:
        """Return a small turn at a random moment of the last days."""
        now_s = self.used.now_s() - self.random.choice((0, 0, 1, 2, 4)) * 86_400
        return Turn(self.settings, now_s, clicks=self.random.choice((1, 7, 1000)), changes=3, unsettled_s=0)

    def store(self) -> None:
        """Store a batch: fresh clicks, or any range of the spool, also one that was stored or that leaves a gap."""
        spool = self.random.choice(SPOOLS)
        records = self.records[spool]
        first = len(records)
        records += [self._click() for _ in range(self.random.randint(1, 9))]
        if self.random.random() < 0.3:
            first = self.random.randrange(len(records))
        past = self.random.randint(first + 1, len(records))
        store_batch(spool, first, cases.payloads(records[first:past]))

    def settle(self) -> None:
        settle(self.used.database.run, LIMITS, self.used.now_ms() + DAY_MS, lambda: True)

    def fold_clicks(self) -> None:
        self.used.database.run(lambda connection: fold_some_clicks(connection, self.turn()))

    def fold_conversions(self) -> None:
        most = self.random.choice((1, 100))
        self.used.database.run(lambda connection: fold_some_conversions(connection, self.turn(), most))

    def build_day(self) -> None:
        self.used.database.run(lambda connection: build_day(connection, self.turn()))

    def drop_hours(self) -> None:
        self.used.database.run(lambda connection: drop_hours(connection, self.turn()))

    def class_again(self) -> None:
        """Change the class of some clicks, as a change of lists does."""
        kind = self.random.choice(("valid", "bot", "datacenter", "rate"))
        self.connection.execute(
            "update clicks set class = %s, is_unique = %s where click_id = any(%s)",
            [kind, kind == "valid" and self.random.random() < 0.5, self._some_clicks()],
        )

    def erase(self) -> None:
        with self.connection.transaction():
            erase_all(self.connection, self._some_clicks(), sub_ids=self.random.random() < 0.5)

    def postback(self) -> None:
        """Report a conversion of a click, which may not be stored yet; some are told again, or with another status."""
        known = [click for records in self.records.values() for click in records]
        if not known:
            return
        click = self.random.choice(known)
        fields = {
            "event": self.random.choice(("ftd", "registration", "deposit")),
            "order_id": self.random.choice((None, "A", "B")),
            "status": self.random.choice((None, "pending", "approved", "rejected")),
            "payout_minor": self.random.choice((None, 2500, 1000)),
            "currency": self.random.choice(("USD", "EUR")),
        }
        made = cases.postback(
            click.click_id, at_ms=click.at_ms + self.random.randint(1000, DAY_MS // 4), merchant_id=1, fields=fields
        )
        self._store_postback(made)

    def _store_postback(self, made: Any) -> None:
        store_postbacks(cases.POSTBACK_SPOOL, next(_NUMBERS), cases.postback_payloads([made]))

    def decide(self) -> None:
        """Approve or reverse conversions, as operators do; they are booked with the next postback."""
        self.connection.execute(
            "update conversions set status = case status when 'pending' then 'approved' else 'reversed' end"
            " where conversion_id in (select conversion_id from conversions where status in ('pending', 'approved')"
            " order by random() limit 2)"
        )

    def adjust(self) -> None:
        """Append an entry to a conversion, in a currency that may be new to it."""
        self.connection.execute(
            "insert into entries (party, kind, conversion_id, source_id, amount_minor, currency, actor, note,"
            " payout_schedule, payable_at) select 'source', 'adjustment', conversion_id, 1, %s, %s, 'test', 'why',"
            " 'monthly', now() from conversions order by random() limit 1",
            [self.random.choice((-250, 700)), self.random.choice(("USD", "GBP"))],
        )

    def move_link(self) -> None:
        """Give a link to others, in a transaction whose moment is before clicks that are stored meanwhile."""
        with psycopg.connect(self.connection.info.dsn, password=self.connection.info.password) as moving:
            moving.execute("select now()")
            for _ in range(self.random.randint(0, 2)):
                self.store()
                self.postback()
                self.fold_clicks()
                self.fold_conversions()
            moving.execute(
                "update links set source_id = %s, merchant_id = %s where link_id = %s",
                [self.random.choice((1, 2, None)), self.random.choice((1, 2)), self.random.choice((1, 2))],
            )

    def _some_clicks(self) -> list[UUID]:
        rows = self.connection.execute("select click_id from clicks order by click_id").fetchall()
        return [row[0] for row in self.random.sample(rows, min(len(rows), self.random.randint(1, 4)))]

    def _click(self) -> Click:
        now_ms = self.used.now_ms()
        # Some are of now, or a moment later: those that a move of their link meets.
        age_ms = -self.random.randint(0, 500) if self.random.random() < 0.3 else self._age_ms()
        at_ms = now_ms - age_ms
        return cases.click(
            click_id=cases.mint_at(at_ms, next(_GENERATIONS) % 4096),
            at_ms=at_ms,
            link_id=self.random.choice((1, 1, 2, 3)),
            ip=self.random.choice(ADDRESSES),
            user_agent=self.random.choice(AGENTS),
            query=self.random.choice(QUERIES),
            referrer=self.random.choice(REFERRERS),
            method=self.random.choice(("GET", "GET", "GET", "HEAD")),
        )

    def _age_ms(self) -> int:
        # Close together, so that some are duplicates of others.
        return self.random.randint(0, DAYS) * DAY_MS + self.random.choice((0, 3000, 3_600_000, 40_000_000))

    def fold_all(self) -> None:
        """Fold until nothing waits."""
        turn = Turn(self.settings, self.used.now_s(), unsettled_s=0)
        for step in (fold_some_clicks, fold_some_conversions, build_day):
            while self.used.database.run(lambda connection, do=step: do(connection, turn)) is not None:  # type: ignore[misc]
                pass


STEPS = (
    *(
        "store",
        "store",
        "store",
        "fold_clicks",
        "fold_clicks",
        "settle",
        "class_again",
        "erase",
        "postback",
        "postback",
    ),
    *("decide", "adjust", "fold_conversions", "fold_conversions", "move_link", "build_day", "drop_hours"),
)


def begin(used: Resources, connection: Connection, random: Random) -> History:
    """Empty what a history fills, and return one that begins."""
    # Entries refuse to be truncated.
    connection.execute("set session_replication_role = replica")
    connection.execute(f"truncate {', '.join(TABLES)} cascade")
    connection.execute("reset session_replication_role")
    for table in rollup_tables(connection):
        connection.execute(f"truncate {table}")
    connection.execute("update report_state set time_zone = null, built_day = 0, hours_from = 0")
    connection.execute("update settling_state set settled = default")
    connection.execute("update links set source_id = 1, merchant_id = link_id where link_id <= 2")
    connection.execute("truncate link_history")
    return History(used, connection, random)


def rollup_tables(connection: Connection) -> list[str]:
    """Return the names of all roll-ups."""
    rows = connection.execute(
        "select table_name from information_schema.columns where column_name = 'block' and table_name like 'report\\_%'"
        " order by 1"
    )
    return [row[0] for row in rows]


def prepare(connection: Connection) -> None:
    """Write what is configured: sources, a commission plan, event types and rates."""
    connection.execute("insert into sources (name) values ('one'), ('two')")
    connection.execute(
        "insert into commission_plans (name, starts_on, currency, cpa_minor, revshare_percent)"
        " values ('plan', '2020-01-01', 'USD', 900, 10)"
    )
    connection.execute("update merchants set default_plan_id = 1")
    connection.execute("update event_types set approval = 'manual' where event = 'registration'")
