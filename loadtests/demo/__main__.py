"""`python -m loadtests.demo`: sets the scene, replays traffic, sends postbacks, and shows that the ledger balances."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from loadtests.demo.access_log import AccessLog
from loadtests.demo.api import AdminApi
from loadtests.demo.edge import EdgeClient
from loadtests.demo.journeys import SHARE_DEFAULT, plan_journeys
from loadtests.demo.merchant import Merchant, Told
from loadtests.demo.proof import Evidence, Ledger, await_judged, check_clicks, fetch_ledger, settle
from loadtests.demo.replay import Replay
from loadtests.demo.report import (
    failures,
    funnel_table,
    ledger_table,
    postback_table,
    verdict,
)
from loadtests.demo.scene import Scene, set_scene
from loadtests.demo.stack import locate_stack
from loadtests.demo.visits import generated_visits
from tracking.runtime import WaypostError

REQUESTS_DEFAULT = 5000
THREADS = 4
LINKS_TIMEOUT_S = 30.0
SETTLE_TIMEOUT_S = 120.0
# Every id up to this many is asked for; of more, a random sample of this size.
CHECKED_MAX = 20_000


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    options = _options(arguments)
    console = Console(highlight=False)
    try:
        return Demo(console, options).run()
    except WaypostError as error:
        console.print(f"[bold red]FAILED[/bold red] {error.message}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130


class Demo:
    """One run of the demo."""

    def __init__(self, console: Console, options: argparse.Namespace) -> None:
        self._console = console
        self._options = options
        stack = locate_stack()
        self._api = AdminApi(stack, THREADS * 2)
        self._edge = EdgeClient(stack, THREADS)

    def run(self) -> int:
        """Run the demo and return its exit status."""
        self._api.require()
        self._edge.require()
        before, _ = fetch_ledger(self._api)
        run = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        scene = set_scene(self._api, run)
        replay = self._replay(scene)
        merchant = self._report(replay, scene)
        self._settle(before, len(replay.tally.click_ids))
        revised = [journey for journey in merchant.told.journeys if journey.later]
        await_judged(self._api, [journey.click_id for journey in revised])
        with self._bar("status changes", len(revised)) as advance:
            merchant.revise(revised, THREADS, advance)
        told = merchant.told
        after = self._settle(before, len(replay.tally.click_ids))
        evidence, complete = self._check(replay.tally.click_ids, told)
        for table in (
            funnel_table(replay.tally, evidence, complete),
            postback_table(told),
            ledger_table(before, after),
        ):
            self._console.print(table)
        return verdict(self._console, failures(replay.tally, told, evidence, before, after), after)

    def _replay(self, scene: Scene) -> Replay:
        replay = Replay(self._edge, scene.links, self._options.seed)
        replay.await_links(LINKS_TIMEOUT_S)
        self._console.print(
            f"{len(scene.links)} links are live, for example {scene.links[0].url}",
            soft_wrap=True,
        )
        log = AccessLog(self._options.log) if self._options.log else None
        if log:
            total = log.count_lines(self._options.requests)
            visits = log.visits(self._options.requests)
        else:
            total = self._options.requests or REQUESTS_DEFAULT
            visits = generated_visits(total, self._options.seed)
        with self._bar("requests", total) as advance:
            replay.run(visits, THREADS, advance)
        if log:
            others = ", ".join(f"{count:,} {method}" for method, count in log.other_methods.most_common())
            self._console.print(
                f"{total:,} lines of {self._options.log.name}: {log.malformed:,} malformed and skipped, "
                f"{log.other_methods.total():,} replayed as GET{f' ({others})' if others else ''}"
            )
        return replay

    def _report(self, replay: Replay, scene: Scene) -> Merchant:
        merchant = Merchant(self._edge, scene.postback_token)
        journeys = list(plan_journeys(replay.tally.convertible, self._options.share, self._options.seed))
        with self._bar("postbacks of clicks", len(journeys)) as advance:
            merchant.report(journeys, THREADS, advance)
        return merchant

    def _settle(self, before: Ledger, clicks: int) -> Ledger:
        def show(ledger: Ledger) -> None:
            status.update(
                f"storing: {ledger.clicks.in_flight:,} clicks and {ledger.postbacks.in_flight:,} postbacks in flight"
            )

        with self._console.status("storing") as status:
            return settle(self._api, before.clicks.issued + clicks, SETTLE_TIMEOUT_S, show)

    def _check(self, click_ids: list[str], told: Told) -> tuple[Evidence, bool]:
        complete = len(click_ids) <= CHECKED_MAX
        chosen = click_ids if complete else Random(self._options.seed).sample(click_ids, CHECKED_MAX)
        with self._bar("clicks looked up", len(chosen)) as advance:
            return check_clicks(self._api, chosen, told, THREADS * 2, advance), complete

    @contextmanager
    def _bar(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        columns = (
            TextColumn(f"{label:20}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(label, total=total)
            yield lambda: progress.advance(task)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.demo",
        description="real traffic against a running stack",
    )
    parser.add_argument("--log", type=Path, help="combined-format access log to replay, plain or gzip")
    parser.add_argument(
        "--requests",
        type=int,
        help=f"how many requests to send (default {REQUESTS_DEFAULT}; with --log, all lines)",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=SHARE_DEFAULT,
        help="share of clicks that convert",
    )
    parser.add_argument("--seed", type=int, default=7, help="chooses links, visitors and conversions")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
