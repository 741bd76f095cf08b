"""What was reported to partners, as steps of a click's trace. Each attempt has its request and the answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from admin_api.event_log.rows import TraceRows
from admin_api.http import Shown
from admin_api.outgoing import DeliveryAttempt, DeliveryFacts
from tracking.event_log import Step, StepKind
from tracking.outgoing import DeliveryState


class DeliveryPlannedDetail(Shown):
    """An outgoing postback that was planned."""

    delivery_id: UUID
    outgoing_postback_id: int
    name: str
    """The current name of the outgoing postback."""
    event: str
    facts: DeliveryFacts


class DeliveryAttemptedDetail(DeliveryAttempt):
    """An attempt to send it."""

    delivery_id: UUID


class DeliveryEndedDetail(Shown):
    """The result of all attempts."""

    delivery_id: UUID
    outgoing_postback_id: int
    state: DeliveryState
    attempts: int
    """How many attempts there were."""


def delivery_steps(rows: TraceRows, change_keys: Mapping[int, str]) -> Iterator[Step]:
    """Yield each delivery as planned and as ended, and each attempt. `change_keys` name the steps that led to it."""
    for delivery in rows.deliveries:
        key = f"delivery:{delivery['delivery_id']}"
        attempts = delivery["attempts"]
        yield Step(
            StepKind.DELIVERY_PLANNED,
            delivery["planned_at"],
            key,
            f"{delivery['event']} for {delivery['name']}",
            DeliveryPlannedDetail.of(delivery, facts=DeliveryFacts.of_stored(delivery["facts"])),
            after=change_keys.get(delivery["change_id"]),
        )
        if delivery["finished_at"] is not None:
            yield Step(
                StepKind.DELIVERY_ENDED,
                delivery["finished_at"],
                f"{key}:ended",
                f"{delivery['state']} after {attempts} attempt{'s' if attempts != 1 else ''}",
                DeliveryEndedDetail.of(delivery),
                after=key,
            )
    for attempt in rows.attempts:
        answer = attempt["response_status"] or attempt["error"] or "no answer yet"
        yield Step(
            StepKind.DELIVERY_ATTEMPTED,
            attempt["started_at"],
            f"attempt:{attempt['delivery_id']}:{attempt['attempt']}",
            f"{attempt['method']} {attempt['url']}: {answer}",
            DeliveryAttemptedDetail.of(attempt),
            after=f"delivery:{attempt['delivery_id']}",
            sequence=attempt["attempt"],
        )
