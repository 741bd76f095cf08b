"""Entries and payouts of a click's conversions as steps of its trace. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from admin_api.runtime import Row
from tracking.event_log import Step, StepKind
from tracking.money import format_amount


def money_text(amount_minor: int | None, currency: str | None) -> str:
    """Return an amount with its currency, as people write it."""
    if amount_minor is None or currency is None:
        return "no amount"
    return f"{format_amount(amount_minor, currency)} {currency}"


def entry_step(entry: Row, after: str | None) -> Step:
    """Return an entry of the ledger, which follows from the change of key `after`.

    A merchant's entry is what it owes the operator, a source's what the operator owes it.
    """
    amount = money_text(entry["amount_minor"], entry["currency"])
    party = entry["party"]
    of = f"{party} {entry[f'{party}_id']}"
    by = f" by {entry['actor']}" if entry["actor"] else ""
    return Step(
        StepKind.ENTRY_APPENDED,
        entry["created_at"],
        f"entry:{entry['entry_id']}",
        f"{entry['kind']} of {of}: {amount}{by}",
        {**entry, "amount": format_amount(entry["amount_minor"], entry["currency"])},
        after=after,
        sequence=entry["entry_id"],
    )


def payout_steps(payout: Row) -> Iterator[Step]:
    """Yield the payout that pays some of the conversions' entries: made, decided about, paid."""
    key = f"payout:{payout['payout_id']}"
    identity: dict[str, Any] = {name: payout[name] for name in ("payout_id", "source_id", "currency", "state")}
    number = payout["payout_id"]
    yield Step(
        StepKind.PAYOUT_MADE,
        payout["created_at"],
        key,
        f"payout {number} to source {payout['source_id']}, {payout['payout_schedule']}, of {payout['entries']} entries",
        {
            **identity,
            "payout_schedule": payout["payout_schedule"],
            "period_ends_at": payout["period_ends_at"],
            "entries": payout["entries"],
        },
        sequence=number,
    )
    if payout["decided_at"] is not None:
        verdict = "rejected" if payout["state"] == "rejected" else "approved"
        override = payout["override_minor"]
        instead = "" if override is None else f", to be paid {money_text(override, payout['currency'])}"
        yield Step(
            StepKind.PAYOUT_DECIDED,
            payout["decided_at"],
            f"{key}:decided",
            f"payout {number} {verdict}{instead}",
            {**identity, "decided_by": payout["decided_by"], "override_minor": override, "note": payout["note"]},
            after=key,
            sequence=number,
        )
    if payout["paid_at"] is not None:
        yield Step(
            StepKind.PAYOUT_PAID,
            payout["paid_at"],
            f"{key}:paid",
            f"payout {number} paid: {money_text(payout['paid_minor'], payout['currency'])}",
            {
                **identity,
                "paid_minor": payout["paid_minor"],
                "paid_by": payout["paid_by"],
                "reference": payout["reference"],
            },
            after=f"{key}:decided",
            sequence=number,
        )
