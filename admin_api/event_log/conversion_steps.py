"""Every change of a click's conversions as steps of its trace. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from admin_api.conversions import ConversionChange
from admin_api.event_log.money_steps import money_text
from admin_api.event_log.rows import TraceRows
from admin_api.runtime import Row
from tracking.event_log import Step, StepKind
from tracking.postbacks import fix_of


class ConversionChangeDetail(ConversionChange):
    """A conversion that was made, or whose status or amount changed."""

    conversion_id: UUID
    event: str
    order_id: str | None
    fix: str | None
    """What an operator can do about its reason, if anything."""


def conversion_steps(rows: TraceRows) -> Iterator[Step]:
    """Yield every change of the click's conversions."""
    conversions = {row["conversion_id"]: row for row in rows.conversions}
    for change in rows.changes:
        conversion = conversions[change["conversion_id"]]
        made = change["from_status"] is None
        now = f"{change['to_status']}, {money_text(change['to_payout_minor'], change['to_currency'])}"
        was = f"{change['from_status']}, {money_text(change['from_payout_minor'], change['from_currency'])}"
        name = conversion["event"] + (f" of order {conversion['order_id']}" if conversion["order_id"] else "")
        cause = f"postback:{change['postback_id']}:judged" if change["postback_id"] else None
        yield Step(
            StepKind.CONVERSION_MADE if made else StepKind.CONVERSION_CHANGED,
            change["changed_at"],
            change_key(change),
            f"{name}: {now}" if made else f"{name}: {was} → {now}",
            ConversionChangeDetail.of(
                change,
                event=conversion["event"],
                order_id=conversion["order_id"],
                fix=fix_of(change["reason"]),
            ),
            # An operator's change follows from the step that made the conversion.
            after=cause or (None if made else f"conversion:{change['conversion_id']}"),
            sequence=change["change_id"],
        )


def change_key(change: Row) -> str:
    """Return the key of the step that shows a change."""
    return f"conversion:{change['conversion_id']}" if change["from_status"] is None else f"change:{change['change_id']}"
