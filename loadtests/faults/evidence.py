"""Reads the end of a run: waits until nothing moves any more, then every stored row, the ledger and both /metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from time import monotonic, sleep
from typing import Any, NamedTuple

import psycopg
import urllib3
from psycopg.rows import dict_row

from loadtests.faults.stack import BrokenStack, FaultsError

QUIET_S = 3.0
_POLL_S = 0.25
_ROWS_A_FETCH = 5000
_CLICKS = (
    "select click_id::text, (extract(epoch from clicked_at) * 1000)::bigint as clicked_at_ms, link_id, profile_id,"
    " class, method, host, slug, query, parameters, host(ip) as ip, user_agent, referrer, accept_language, location,"
    " sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10 from clicks"
)
_METRIC = re.compile(r"^(waypost_\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)


class Postbacks(NamedTuple):
    """Acknowledged postbacks against the database: how many, how many rows lack, how many clicks converted oddly."""

    acknowledged: int
    lost: int
    conversions_wrong: int


def await_quiet(stack: BrokenStack, timeout_s: float, tick: Callable[[str], None]) -> dict[str, Any]:
    """Return the ledger once nothing is in flight and nothing has changed for a while."""
    deadline = monotonic() + timeout_s
    before: Any = None
    quiet_since = monotonic()
    while True:
        ledger = _ledger(stack)
        figures = ledger and {name: value for name, value in ledger.items() if name != "as_of"}
        at_rest = ledger is not None and not (
            ledger["stale"] or ledger["in_flight"] or ledger["postbacks"]["in_flight"]
        )
        if not at_rest or figures != before:
            quiet_since = monotonic()
        elif monotonic() - quiet_since >= QUIET_S:
            assert ledger is not None
            return ledger
        before = figures
        tick(f"in flight: {ledger['in_flight'] if ledger else 'unknown'}")
        if monotonic() > deadline:
            raise FaultsError(f"nothing came to rest within {timeout_s:g} s; the ledger says {ledger}")
        sleep(_POLL_S)


def stored_clicks(stack: BrokenStack) -> Iterator[Mapping[str, Any]]:
    """Yield every stored click."""
    with (
        psycopg.connect(stack.database_url, row_factory=dict_row) as connection,
        connection.cursor("clicks") as cursor,
    ):
        cursor.itersize = _ROWS_A_FETCH
        yield from cursor.execute(_CLICKS)


def judge_postbacks(stack: BrokenStack, acknowledged: Mapping[str, str]) -> Postbacks:
    """Compare acknowledged postbacks with their rows, and what each converted click has with the one it should have."""
    with psycopg.connect(stack.database_url) as connection:
        rows = dict[str, str](connection.execute("select postback_id::text, click_id::text from postbacks").fetchall())
        counted = connection.execute("select click_id::text, count(*) from conversions group by 1")
        conversions = dict[str, int](counted.fetchall())
    lost = sum(rows.get(postback_id) != click_id for postback_id, click_id in acknowledged.items())
    wrong = sum(conversions.get(click_id) != 1 for click_id in acknowledged.values())
    return Postbacks(len(acknowledged), lost, wrong)


def metrics(port: int) -> dict[str, float]:
    """Return a program's own metrics, by name and labels."""
    text = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics", timeout=10.0).data.decode()
    return {f"{name}{{{labels}}}" if labels else name: float(value) for name, labels, value in _METRIC.findall(text)}


def ledger_troubles(
    stack: BrokenStack, ledger: Mapping[str, Any], stored: int, not_logged: int, unanswered: int
) -> list[str]:
    """Return every way in which the ledger, the metrics and the rows contradict each other."""
    edge, admin = metrics(stack.edge_port), metrics(stack.admin_port)
    troubles = []
    for stream, side in (("clicks", ledger), ("postbacks", ledger["postbacks"])):
        if side["difference"] or side["issued"] != side["stored"] + side["in_flight"] + side["declared_lost"]:
            troubles.append(f"{stream}: issued is not stored + in flight + declared lost: {side}")
        for figure in ("issued", "stored", "in_flight", "declared_lost", "difference"):
            shown = admin.get(f'waypost_ledger{{figure="{figure}",stream="{stream}"}}')
            shown = admin.get(f'waypost_ledger{{stream="{stream}",figure="{figure}"}}', shown)
            if shown != side[figure]:
                troubles.append(f"{stream}: /metrics of the admin shows {figure} {shown}, /v1/ledger {side[figure]}")
        issued = edge.get(f'waypost_edge_issued_total{{stream="{stream}"}}')
        if issued != side["issued"]:
            troubles.append(f"{stream}: /metrics of the edge shows issued {issued}, /v1/ledger {side['issued']}")
    if ledger["stored"] != stored:
        troubles.append(f"the ledger counts {ledger['stored']} clicks, the table has {stored}")
    if not not_logged <= ledger["declared_lost"] <= not_logged + unanswered:
        troubles.append(f"{ledger['declared_lost']} declared lost, {not_logged} answered not-logged")
    return troubles


def _ledger(stack: BrokenStack) -> dict[str, Any] | None:
    try:
        url = f"http://127.0.0.1:{stack.admin_port}/v1/ledger"
        headers = {"Authorization": f"ApiKey {stack.token}"}
        answer = urllib3.request("GET", url, headers=headers, timeout=15.0, retries=False)
        return dict(answer.json()) if answer.status == 200 else None
    except urllib3.exceptions.HTTPError:
        return None
