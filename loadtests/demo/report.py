"""What the demo prints: funnel, answers to postbacks, and ledger, in 80 columns with or without a terminal."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Console
from rich.table import Table

from loadtests.demo.journeys import CURRENCY, Kind
from loadtests.demo.merchant import Told
from loadtests.demo.proof import Evidence, Ledger
from loadtests.demo.replay import Tally
from tracking.conversions import ConversionStatus, Event
from tracking.money import format_amount

_TYPE_LABELS = {
    "302": "302 found",
    "301": "301 moved permanently",
    "js": "JavaScript page",
}
_LISTED_MAX = 3


def funnel_table(tally: Tally, evidence: Evidence, complete: bool) -> Table:
    """Return the way from request to money."""
    table = _table("Funnel", "step", "count", "of clicks", f"payout {CURRENCY}")
    table.add_row("requests sent", f"{tally.requests:,}", "", "")
    if tally.unanswered:
        table.add_row("  not answered, sent again", f"{tally.unanswered:,}", "", "")
    table.add_row("answered", f"{tally.answered:,}", "", "", end_section=not tally.by_type)
    for name, label in _TYPE_LABELS.items():
        if tally.by_type[name]:
            table.add_row(f"  {label}", f"{tally.by_type[name]:,}", "", "")
    table.add_section()
    clicks = evidence.by_class.total()
    table.add_row(
        "clicks stored" if complete else "clicks stored (sample)",
        f"{clicks:,}",
        "100.0 %" if clicks else "",
        "",
    )
    for name, count in evidence.by_class.most_common():
        table.add_row(f"  class {name}", f"{count:,}", f"{100 * count / clicks:.1f} %", "")
    table.add_section()
    for event in Event:
        statuses = [status for status in ConversionStatus if evidence.conversions[event, status]]
        count = sum(evidence.conversions[event, status] for status in statuses)
        if not count:
            continue
        approved = evidence.payout_minor[event, ConversionStatus.APPROVED]
        table.add_row(event.value, f"{count:,}", f"{100 * count / clicks:.1f} %", _money(approved))
        for status in statuses:
            if status is not ConversionStatus.APPROVED:
                money = _money(evidence.payout_minor[event, status])
                table.add_row(
                    f"  of them {status}",
                    f"{evidence.conversions[event, status]:,}",
                    "",
                    money and f"({money})",
                )
    approved = sum(minor for (_, status), minor in evidence.payout_minor.items() if status == ConversionStatus.APPROVED)
    table.add_section()
    table.add_row("approved payout", "", "", _money(approved), style="bold")
    return table


def postback_table(told: Told) -> Table:
    """Return what was answered to postbacks."""
    table = _table("Postbacks", "sent as", "200", "404", "409", "other")
    for kind in Kind:
        counts: Counter[int | None] = Counter()
        for (sent, status), count in told.answers.items():
            if sent is kind:
                counts[status if status in (200, 404, 409) else None] += count
        if counts:
            table.add_row(
                kind.value,
                *(f"{counts[status]:,}" if counts[status] else "" for status in (200, 404, 409, None)),
            )
    return table


def ledger_table(before: Ledger, after: Ledger) -> Table:
    """Return the ledger: as it was, what this run added, and as it stands."""
    table = _table("Ledger", "", "clicks before", "clicks", "postbacks before", "postbacks")
    rows = ("issued", "stored", "in flight", "declared lost", "difference")
    columns = (before.clicks, after.clicks, before.postbacks, after.postbacks)
    for index, row in enumerate(rows):
        style = None
        if row == "difference":
            table.add_section()
            style = "bold green" if after.settled else "bold red"
        table.add_row(row, *(f"{column[index]:,}" for column in columns), style=style)
    return table


def failures(tally: Tally, told: Told, evidence: Evidence, before: Ledger, after: Ledger) -> list[str]:
    """Return a sentence for each thing that is not as it must be; none means that the demo succeeded."""
    found = [f"{count} requests were answered {what}" for what, count in tally.unexpected.items()]
    found += [f"{count} postbacks were answered wrongly: {what}" for what, count in told.unexpected.items()]
    for what, names in (
        ("click ids that the edge answered are not stored", evidence.missing_clicks),
        (
            "postbacks that the edge answered with 200 are not stored",
            evidence.missing_postbacks,
        ),
        (
            "clicks have other conversions than were reported",
            evidence.wrong_conversions,
        ),
    ):
        if names:
            found.append(f"{len(names)} {what}, among them {', '.join(names[:_LISTED_MAX])}")
    for name, old, balance in (
        ("click", before.clicks, after.clicks),
        ("postback", before.postbacks, after.postbacks),
    ):
        if balance.in_flight:
            found.append(f"{balance.in_flight} {name} records are still in flight")
        if balance.difference:
            found.append(f"the {name} ledger has a difference of {balance.difference}")
        if balance.declared_lost > old.declared_lost:
            found.append(f"{balance.declared_lost - old.declared_lost} {name} records were declared lost")
    if after.clicks.issued - before.clicks.issued < len(tally.click_ids):
        found.append(f"the ledger issued fewer clicks than the {len(tally.click_ids)} that were answered")
    return found


def verdict(console: Console, problems: list[str], after: Ledger) -> int:
    """Print the last lines and return the exit status."""
    balance = after.clicks
    console.print(
        f"issued {balance.issued:,} = stored {balance.stored:,} + in flight {balance.in_flight:,}"
        f" + declared lost {balance.declared_lost:,}, [bold]difference {balance.difference}[/bold]"
    )
    for problem in problems:
        console.print(f"[bold red]FAILED[/bold red] {problem}")
    return 1 if problems else 0


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column(first, no_wrap=True)
    for other in others:
        table.add_column(other, justify="right")
    return table


def _money(minor: int) -> str:
    whole, _, cents = format_amount(minor, CURRENCY).partition(".")
    return f"{int(whole):,}.{cents}" if minor else ""
