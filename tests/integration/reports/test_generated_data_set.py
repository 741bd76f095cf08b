"""The data set that reports are measured on: its roll-ups agree with each other and with its rows."""

from __future__ import annotations

from time import time

import psycopg
import pytest

from config.settings import ReportSettings
from loadtests.pipeline.stack import BenchError
from loadtests.reports.consistency import check
from loadtests.reports.data_set import DataSet, until_yesterday
from loadtests.reports.generation import fill
from tracking.reports import GROUPS
from worker.reports.checking import check as differences


def test_groups_blocks_hours_and_rows_have_the_same_sums_and_one_wrong_row_is_found(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        data_set = _small()
        fill(connection, data_set, {})
        # 6 days, their hours and the blocks of three levels, in three tables of each group.
        assert check(connection, data_set) > 6 * 3 * len(GROUPS)
        connection.execute("update report_clicks_place set bot = bot + 1 where level = 1 and country = 'AF'")
        with pytest.raises(BenchError, match=r"report_clicks_place, days differs"):
            check(connection, data_set)


def test_the_workers_own_check_finds_no_difference(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        fill(connection, _small(), {})
        assert connection.execute(_VARIETY).fetchone() == (3, True, True, True, True, True)
        settings = ReportSettings(time_zone="UTC", currency="USD", cost_currency="USD", hours_days=3)
        assert list(differences(lambda work: work(connection), settings, time())) == []


# Three events, all statuses, and about a tenth of them in another currency.
_VARIETY = """
select count(distinct event), sum(pending) > 0, sum(rejected) > 0, sum(reversed) > 0,
    avg((currency = 'EUR')::int) between 0.03 and 0.2, sum(approved) > sum(pending)
from report_conversions
"""


def _small() -> DataSet:
    return until_yesterday(
        clicks=12_000, days=6, hour_days=3, raw_days=2, links=60, countries=20, conversions_of_a_thousand=100
    )
