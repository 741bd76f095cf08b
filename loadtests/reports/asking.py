"""Asks the admin API the questions over HTTP, checks the answers, and times them."""

from __future__ import annotations

from statistics import median, quantiles
from time import perf_counter
from typing import Any

import urllib3

from config.settings import embedded_settings
from loadtests.demo.stack import locate_stack
from loadtests.pipeline.stack import BenchError, Stack
from loadtests.reports.data_set import DataSet
from loadtests.reports.questions import DASHBOARD, FROM_PARTITIONS, PAGES, QUESTIONS, Question, path_of

_TIMEOUT_S = 60.0
_PAGE = 100
Figures = dict[str, Any]


class Asker:
    """One client with one connection, as a page of the operator's browser has."""

    def __init__(self, stack: Stack) -> None:
        located = locate_stack(embedded_settings(stack.environ))
        self._headers = {"Authorization": f"ApiKey {located.token}"}
        self._pool = urllib3.HTTPConnectionPool(located.admin_host, located.admin_port, maxsize=1, retries=False)

    def get(self, path: str) -> tuple[Any, float]:
        """Return the answer and the milliseconds that it took, or raise BenchError."""
        began = perf_counter()
        answer = self._pool.request("GET", path, headers=self._headers, timeout=_TIMEOUT_S)
        took_ms = 1000 * (perf_counter() - began)
        if answer.status != 200:
            raise BenchError(f"{path} answered {answer.status}: {answer.data[:400]!r}")
        return answer.json(), took_ms


def ask_all(asker: Asker, data_set: DataSet, times: int) -> Figures:
    """Return the figures of every question, of the dashboard, and of pages. Each question is asked `times` times.

    The rounds go through all questions, so that none has its own rows in the processor's cache.
    """
    asked = (*QUESTIONS, *FROM_PARTITIONS)
    times_ms: dict[str, list[float]] = {question.name: [] for question in asked}
    rows: dict[str, int] = {}
    dashboard: list[float] = []
    for turn in range(times + 1):
        for question in asked:
            answer, took_ms = asker.get(path_of(question, data_set))
            check_answer(question, answer)
            rows[question.name] = len(answer["rows"])
            # The first round warms connections and caches.
            if turn:
                times_ms[question.name].append(took_ms)
        together = [asker.get(path_of(question, data_set)) for question in DASHBOARD]
        if turn:
            dashboard.append(sum(took_ms for _, took_ms in together))
    found = {question.name: {**spread(times_ms[question.name]), "rows": rows[question.name]} for question in asked}
    partitions = {question.name: found.pop(question.name) for question in FROM_PARTITIONS}
    return {
        "questions": found,
        "dashboard": spread(dashboard),
        "partitions": partitions,
        "pages": _pages(asker, data_set),
    }


def check_answer(question: Question, answer: Any) -> None:
    """Raise BenchError when an answer is empty or comes from another place than was meant."""
    meant = "partitions" if question in FROM_PARTITIONS else "rollups"
    if answer["answered_from"] != meant:
        raise BenchError(f"{question.name}: answered from {answer['answered_from']} instead of {meant}")
    if not answer["rows"]:
        raise BenchError(f"{question.name}: no rows")
    if answer["missing_rates"]:
        raise BenchError(f"{question.name}: rates are missing: {answer['missing_rates'][:3]}")


def _pages(asker: Asker, data_set: DataSet, count: int = 20) -> Figures:
    """Return the times of pages of single clicks and conversions, one after the other by their cursors."""
    found = {}
    bounds = data_set.raw_bounds()
    for name, template in PAGES:
        path = template.format(**bounds)
        times_ms: list[float] = []
        items, cursor = 0, ""
        for _ in range(count):
            page, took_ms = asker.get(f"{path}&limit={_PAGE}" + (f"&cursor={cursor}" if cursor else ""))
            times_ms.append(took_ms)
            items += len(page["items"])
            cursor = page["next_cursor"]
            if not cursor:
                break
        if not items:
            raise BenchError(f"{name}: no items")
        found[name] = {**spread(times_ms), "rows": items}
    return found


def spread(times_ms: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    p95_ms = quantiles(times_ms, n=20, method="inclusive")[18] if len(times_ms) > 1 else times_ms[0]
    return {"p50_ms": median(times_ms), "p95_ms": p95_ms}
