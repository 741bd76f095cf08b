"""docs/conversions.md tells the truth: its examples are played on a real ledger, and no other number is unchecked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from admin_api.conversions.decisions import ROWS_MAX
from admin_api.http import ConflictError
from admin_api.http.problems import problem_of
from admin_api.money.payout_table import approve_payout, change_payout, load_payout, pay_payout
from admin_client import connect
from money_cases import Books, opened_books
from tracking.money import PayoutSchedule, Rate, RateOrigin, format_amount, minor_digits, parse_amount
from tracking.money.exchange_rates import RATE_DIGITS, convert
from tracking.money.payout_schedules import period_end
from worker.money import book_changes
from worker.money.payouts import make_due

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "conversions.md").read_text()
PROSE, _, EXAMPLES = PAGE.partition("## Worked examples\n")
SECTIONS = dict(re.findall(r"### (.+)\n((?:(?!### ).*\n)*)", EXAMPLES))
_AMOUNT = r"([+-]?[0-9]+(?:\.[0-9]+)?) ([A-Z]{3})"
_RATE = re.compile(rf"1 ([A-Z]{{3}}) = {_AMOUNT}")
_PRODUCT = re.compile(rf"{_AMOUNT} \u00d7 (?:([0-9.]+) \u00d7 )?([0-9.]+) % = {_AMOUNT}(?:, rounded to {_AMOUNT})?")
_WORTH = re.compile(rf"{_AMOUNT} are {_AMOUNT}")
DAY = "2026-10-30"


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


class Play:
    """One example: the plan and the rates of its section, and conversions by their letters."""

    def __init__(self, books: Books, body: str) -> None:
        self.books = books
        self.conversions: dict[str, UUID] = {}
        self.click_id = uuid4()
        self.runs = 0
        for base, rate, quote in [*_RATE.findall(EXAMPLES.partition("###")[0]), *_RATE.findall(body)]:
            books.add("exchange_rates", origin="operator", base=base, quote=quote, rate_date=DAY, rate=rate)
        (plan,) = re.findall(r"^Plan: (.+)$", body, re.MULTILINE)
        currency, *terms = plan.split(", ")
        values: dict[str, Any] = {"currency": currency}
        for term in terms:
            name, _, figure = term.partition(" ")
            if name == "RevShare":
                values["revshare_percent"] = Decimal(figure.removesuffix(" %"))
            else:
                values[f"{name.lower()}_minor"] = parse_amount(figure, currency)
        self.plan_currency = currency
        books.plan(**values)

    def step(self, text: str) -> None:
        """Do what a row says."""
        name, _, what = text.partition(": ")
        words = what.split(", ")
        if name == "payout":
            self.payout(words[0], words[1])
        elif name in self.conversions:
            self.books.change(self.conversions[name], **self.changes(words))
        else:
            # Each an order of its own, so that one click can have several.
            said = self.changes(["pending", *words[1:]], payout_minor=None)
            self.conversions[name] = self.books.conversion(words[0], click_id=self.click_id, order_id=name, **said)
        book_changes(self.books.used)

    def changes(self, words: list[str], **changes: Any) -> dict[str, Any]:
        for word in words:
            amount = re.fullmatch(_AMOUNT, word)
            if amount is None:
                changes["status"] = word
            else:
                changes |= {"payout_minor": parse_amount(amount[1], amount[2]), "currency": amount[2]}
        return changes

    def payout(self, action: str, amount: str) -> None:
        figure, currency = amount.split(" ")
        amount_minor = parse_amount(figure, currency)
        with connect(self.books.used.database._url) as database:
            if action == "made":
                self.runs += 1
                at = datetime.now(UTC) + timedelta(days=31 * self.runs)
                (self.payout_id,) = self.books.used.database.run(lambda connection: make_due(connection, at))
            elif action == "override":
                change_payout(database, self.payout_id, {"override_minor": amount_minor, "note": "agreed"}, None)
            elif action == "approved":
                approve_payout(database, self.payout_id, "operator", None)
            else:
                pay_payout(database, self.payout_id, "operator", None, None)
            row = load_payout(database, self.payout_id)
        assert (row["amount_minor"], row["currency"]) == (amount_minor, currency)
        assert row["state"] == {"made": "open", "override": "open"}.get(action, action)

    def appended(self, after: int) -> tuple[set[str], set[str]]:
        """Return what was appended since an entry, as the two columns of the page have it."""
        rows = self.books.connection.execute(
            "select party, kind, amount_minor, currency, conversion_id from entries where entry_id > %s", [after]
        ).fetchall()
        letters = {conversion_id: name for name, conversion_id in self.conversions.items()}
        columns: dict[str, set[str]] = {"merchant": set(), "source": set()}
        for party, kind, amount_minor, currency, conversion_id in rows:
            sign = "+" if amount_minor > 0 else ""
            said = f"{sign}{format_amount(amount_minor, currency)} {currency} {kind}"
            columns[party].add(f"{letters.get(conversion_id, '')} {said}".strip())
        return columns["merchant"], columns["source"]


def cells(text: str, subject: str) -> set[str]:
    """Return the entries of a cell; those that name no conversion are of the row's own."""
    entries = [each for each in text.strip().split(", ") if each]
    return {each if subject == "payout" or re.match("[A-Z] ", each) else f"{subject} {each}" for each in entries}


@pytest.mark.parametrize("title", SECTIONS)
def test_an_example_happens_as_it_is_told(books: Books, title: str) -> None:
    body = SECTIONS[title]
    play = Play(books, body)
    rows = re.findall(r"^\| (\w+: [^|]+) \|([^|]*)\|([^|]*)\|$", body, re.MULTILINE)
    assert len(rows) == body.count("\n| ") - 1
    for text, merchant, source in rows:
        before = books.value("select coalesce(max(entry_id), 0) from entries")
        play.step(text)
        subject = text.partition(":")[0]
        assert play.appended(before) == (cells(merchant, subject), cells(source, subject)), text
    check_sums(body, play.plan_currency)


def check_sums(body: str, target: str) -> None:
    """Check every multiplication and conversion that a section writes out."""
    for amount, currency, rate, percent, exact, _, rounded, _ in _PRODUCT.findall(body):
        product = Decimal(amount) * Decimal(rate or 1) * Decimal(percent) / 100
        assert product == Decimal(exact), body
        minor = convert(parse_amount(amount, currency), currency, target, Decimal(rate or 1), Decimal(percent))
        assert Decimal(minor).scaleb(-minor_digits(target)) == Decimal(rounded or exact)
    for amount, _, worth, currency in _WORTH.findall(body):
        ((base, rate, quote),) = _RATE.findall(EXAMPLES.partition("###")[0])
        assert (base, quote) == (currency, "USD")
        assert (Decimal(amount) / Decimal(rate)).quantize(Decimal("0.01")) == Decimal(worth)


def test_every_built_in_event_type_has_an_example_and_is_described_as_it_is(books: Books) -> None:
    rows = books.connection.execute("select event, name, commission, repeatable from event_types where built_in")
    for event, name, commission, repeatable in rows.fetchall():
        times = "each time" if repeatable else "once per click"
        assert f"| `{event}` | `{commission}` | counts {times} |" in PROSE
        titles = {"First-time deposit", "Deposit", "Qualified", "Registration", "Revenue share", "Conversion"}
        assert name in titles & set(SECTIONS)
        assert f": {event}," in SECTIONS[name]


def test_no_number_of_the_page_is_unchecked() -> None:
    """A number is in an example's rows, plan, rates or products, all checked above, or one of these facts."""
    anchor = datetime(1970, 1, 5, tzinfo=UTC)
    conflict = problem_of(ConflictError("")).status.value
    facts = [
        f"up to {ROWS_MAX:,}:",
        f"{RATE_DIGITS} significant digits",
        f"counts for {Rate(RateOrigin.ECB, 'EUR', 'USD', anchor.date(), Decimal(1)).valid_days} days after its date",
        "Monday, 5 January 1970",
        f"{conflict} `preview-outdated`",
        f"{conflict} `plan-in-use`",
    ]
    assert period_end(PayoutSchedule.FORTNIGHTLY, anchor) == anchor
    prose = re.sub(r"^[0-9]\. ", "", PROSE, flags=re.MULTILINE).replace("/v1/", "")
    for fact in facts:
        assert fact in prose
        prose = prose.replace(fact, "")
    assert re.findall(r".*[0-9].*", prose) == []
    rest = re.sub(r"^\| (\w+: [^|]+) \|([^|]*)\|([^|]*)\|$", "", EXAMPLES, flags=re.MULTILINE)
    for checked in (re.compile(r"^Plan: .+$", re.MULTILINE), _PRODUCT, _WORTH, _RATE):
        rest = checked.sub("", rest)
    assert re.findall(r".*[0-9].*", rest) == []
