"""What was received about a click and its outcome, including replays, as steps of the click's trace. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from admin_api.event_log.money_steps import money_text
from admin_api.event_log.rows import TraceRows
from admin_api.http import Shown
from admin_api.postbacks import Judgement, PostbackCorrection, PostbackRequest, show_judgement
from admin_api.runtime import Row
from tracking.conversions import PostbackOutcome, PostbackReason
from tracking.event_log import Step, StepKind
from tracking.postbacks import fix_of


class PostbackFields(Shown):
    """What a postback says, after it was read."""

    event: str | None
    order_id: str | None
    status_sent: str | None
    payout_minor: int | None
    currency: str | None
    merchant_id: int | None
    """The account that sent it, if that is known."""
    authenticated: bool


class PostbackReceivedDetail(Shown):
    """A postback as it arrived."""

    postback_id: UUID
    answered: int
    """The HTTP status of the answer to it."""
    request: PostbackRequest
    read: PostbackFields


class PostbackCorrectedDetail(Shown):
    """The corrections that were needed to understand it."""

    postback_id: UUID
    corrections: list[PostbackCorrection]


class PostbackParkedDetail(Shown):
    """The postback waits for its click, or waited for it."""

    postback_id: UUID
    fix: str | None
    """What an operator can do about it."""


class PostbackJudgedDetail(Shown):
    """The first outcome of the postback. Replays are separate steps."""

    postback_id: UUID
    outcome: PostbackOutcome
    reason: str | None
    """The reason of the outcome; see docs/postbacks.md."""
    fix: str | None
    """What an operator can do about it."""
    detail: str | None
    """More about the reason, for people."""
    conversion_id: UUID | None
    """The conversion that it made or that it is about."""
    stored_at: datetime
    spool_id: str
    spool_number: int


class PostbackReplayedDetail(Judgement):
    """The result of a replay of the postback."""

    replay_id: int
    dry: bool
    """Whether the replay only showed what it would change."""
    requested_by: str | None
    """The API token that asked for the replay."""


class _Judged(NamedTuple):
    """The judgement of a postback, and its moment."""

    at: datetime
    outcome: str
    reason: str | None


def postback_steps(rows: TraceRows) -> Iterator[Step]:
    """Yield the steps of all postbacks (received and judged), and of all their replays."""
    replayed: dict[UUID, Row] = {}
    for judgement in rows.judgements:
        if not judgement["dry"]:
            replayed.setdefault(judgement["postback_id"], judgement)
    for postback in rows.postbacks:
        yield from _first_steps(postback, _first_judgement(postback, replayed.get(postback["postback_id"])))
    yield from map(_replayed_step, rows.judgements)


def _first_steps(postback: Row, first: _Judged) -> Iterator[Step]:
    postback_id = postback["postback_id"]
    key = f"postback:{postback_id}"
    yield Step(
        StepKind.POSTBACK_RECEIVED,
        postback["received_at"],
        key,
        f"{_said(postback)}; answered {postback['answered']}",
        PostbackReceivedDetail.of(postback, request=PostbackRequest.of(postback), read=PostbackFields.of(postback)),
        after="click:requested",
    )
    if postback["corrections"]:
        corrections = [PostbackCorrection.of_stored(each) for each in postback["corrections"]]
        yield Step(
            StepKind.POSTBACK_CORRECTED,
            postback["received_at"],
            f"{key}:corrected",
            ", ".join(f"{each.field} by rule {each.rule}" for each in corrections),
            PostbackCorrectedDetail(postback_id=postback_id, corrections=corrections),
            after=key,
        )
    is_parked = first.outcome == PostbackOutcome.PARKED
    if is_parked or first.at > postback["stored_at"]:
        yield Step(
            StepKind.POSTBACK_PARKED,
            postback["stored_at"],
            f"{key}:parked",
            "its click was not stored yet, so it waits for it",
            PostbackParkedDetail(postback_id=postback_id, fix=fix_of(PostbackReason.CLICK_NOT_STORED_YET)),
            after=key,
        )
    if not is_parked:
        yield Step(
            StepKind.POSTBACK_JUDGED,
            first.at,
            f"{key}:judged",
            first.outcome + (f": {first.reason}" if first.reason not in (None, first.outcome) else ""),
            PostbackJudgedDetail.of(postback, outcome=first.outcome, reason=first.reason, fix=fix_of(first.reason)),
            after=key,
        )


def _first_judgement(postback: Row, replayed: Row | None) -> _Judged:
    """Return a postback's judgement before its first replay, if there was one."""
    judged_at = postback["judged_at"] or postback["stored_at"]
    if replayed is None:
        return _Judged(judged_at, postback["outcome"], postback["reason"])
    before: Mapping[str, Any] = replayed["before"]
    # A postback that was refused when it was stored may have become a claim only by its replay.
    was_before = judged_at < replayed["judged_at"]
    return _Judged(judged_at if was_before else postback["stored_at"], before["outcome"], before["reason"])


def _replayed_step(row: Row) -> Step:
    judgement = show_judgement(row)
    changed = f"{judgement.before.outcome} → {judgement.after.outcome}" if judgement.changed else "nothing changed"
    return Step(
        StepKind.POSTBACK_REPLAYED,
        judgement.judged_at,
        f"judgement:{judgement.judgement_id}",
        f"{'would have been ' if row['dry'] else ''}{changed}",
        PostbackReplayedDetail.of(row, before=judgement.before, after=judgement.after),
        after=f"postback:{judgement.postback_id}",
        sequence=judgement.judgement_id,
    )


def _said(postback: Row) -> str:
    order = f" of order {postback['order_id']}" if postback["order_id"] else ""
    status = f", status {postback['status_sent']}" if postback["status_sent"] else ""
    amount = postback["payout_minor"]
    money = "" if amount is None else f", {money_text(amount, postback['currency'])}"
    return f"{postback['event'] or 'no event'}{order}{money}{status}"
