"""The delivery log: what was reported to partners, with every attempt, and sending it again."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

import falcon

from admin_api.http import OUTDATED, BulkResult, Page, encode_place, operation, page_of
from admin_api.outgoing.delivery_objects import (
    DeliveriesReplayBody,
    Delivery,
    DeliveryQuery,
    DeliveryWithAttempts,
    show_delivery,
    show_delivery_with_attempts,
)
from admin_api.outgoing.delivery_table import (
    load_deliveries,
    load_with_attempts,
    replay_deliveries,
    replay_delivery,
)
from admin_api.runtime import Pool
from tracking.outgoing import DeliveryState


class Deliveries:
    """All deliveries."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List deliveries")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: DeliveryQuery) -> Page[Delivery]:
        """The newest deliveries come first."""
        with self._pool.connection() as database:
            rows = load_deliveries(database, query.chosen(), query.cursor, query.limit + 1)
        return page_of(
            Page[Delivery],
            rows,
            query.limit,
            show_delivery,
            lambda row: encode_place(row["planned_at"], row["delivery_id"]),
        )


class DeliveryItem:
    """One delivery with all of its attempts."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show a delivery")
    def on_get(self, req: falcon.Request, resp: falcon.Response, delivery_id: UUID) -> DeliveryWithAttempts:
        """The answer has every attempt, with its request and response."""
        with self._pool.connection() as database:
            return show_delivery_with_attempts(*load_with_attempts(database, delivery_id))


class DeliveryReplay:
    """Sends one delivery again, with the same id."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Send a delivery again", statuses=(HTTPStatus.ACCEPTED,), conflicts=("under-way",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, delivery_id: UUID) -> Delivery:
        """It is due at once, whatever its state, with a new round of attempts. The partner sees the same id."""
        with self._pool.connection() as database:
            return show_delivery(replay_delivery(database, delivery_id))


class DeliveriesReplay:
    """Sends the deliveries that a filter finds again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Send deliveries again", conflicts=(OUTDATED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: DeliveriesReplayBody) -> BulkResult:
        """Up to 10,000 deliveries of a filter. Without a token the answer is a preview; repeat it with its token."""
        chosen = body.filter.chosen(state=[DeliveryState.FAILED.value], is_test=False)
        with self._pool.connection() as database:
            return replay_deliveries(database, chosen, body.token)
