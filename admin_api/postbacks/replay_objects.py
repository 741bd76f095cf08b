"""What the API shows about replays and their results, and what a request for a replay contains."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from admin_api.http import Body, Condition, Flag, NumberedPageQuery, PreviewToken, Shown, checked
from admin_api.postbacks.postback_objects import PostbackFilter
from tracking.conversions import ConversionStatus, PostbackOutcome
from tracking.runtime import FieldError

POSTBACK_IDS_MAX = 1000


class ReplayFilter(PostbackFilter):
    """The postbacks to replay: at least one filter is required, and all given filters must hold."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    postback_ids: Annotated[
        Annotated[list[UUID], Field(min_length=1, max_length=POSTBACK_IDS_MAX)] | None,
        Condition("postback_id = any(%(postback_ids)s)"),
    ] = None
    """The postbacks by their ids."""


def _require_one(wanted: ReplayFilter, field: str) -> ReplayFilter:
    if not wanted.model_fields_set:
        names = ", ".join(each.alias or name for name, each in ReplayFilter.model_fields.items())
        raise FieldError(field, f"{field} must have at least one of {names}; without any, everything would be replayed")
    return wanted


class OneReplayBody(Body):
    """How to replay a postback."""

    dry: bool = False
    """Whether the replay only shows what would change."""


class ReplayBody(OneReplayBody):
    """The postbacks to replay, and how."""

    filter: Annotated[ReplayFilter, checked(_require_one)]
    """The filters of the list, of which at least one is given."""
    token: PreviewToken | None = None
    """The token of a preview, which is then carried out. Without it the answer is a preview, unless it is `dry`."""


class ReplayedFilter(Shown):
    """The filters of a replay. Null means that a filter was not given."""

    postback_ids: list[UUID] | None
    outcome: PostbackOutcome | None
    reason: str | None
    merchant_id: int | None
    event: str | None
    from_: Annotated[datetime | None, Field(alias="from")]
    to: datetime | None


class Replay(Shown):
    """A request to read postbacks again and to decide their outcomes again, with its progress."""

    replay_id: int
    filter: ReplayedFilter
    dry: bool
    """Whether it only shows what would change."""
    state: Literal["waiting", "running", "done", "failed"]
    found: int | None
    """How many postbacks it applies to; null until it begins."""
    examined: int
    """How many of them have been read so far."""
    changed: int
    """How many of those have changed."""
    outcomes: dict[PostbackOutcome, dict[PostbackOutcome, int]]
    """How many changed from one outcome to another: `{"refused": {"recorded": 2}}` says that two are recorded now."""
    error: str | None
    """Why it failed."""
    requested_by: str | None
    """The name of the API token that asked for it."""
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    """When it ended. Null while it is waiting or running."""


class JudgedConversion(Shown):
    """The conversion of a postback at the time."""

    event: str
    status: ConversionStatus
    reason: str | None
    payout_minor: int | None
    currency: str | None


class JudgedPostback(Shown):
    """A postback as a replay found it or left it."""

    outcome: PostbackOutcome
    reason: str | None
    detail: str | None
    click_id: UUID | None
    event: str | None
    order_id: str | None
    status: str | None
    """The status that it reports."""
    payout_minor: int | None
    currency: str | None
    conversion_id: UUID | None
    """Null also if a dry replay would make a new conversion."""
    conversion: JudgedConversion | None


class PostbacksReplayed(Shown):
    """What a filter finds, or the replay of it."""

    count: int | None
    """How many postbacks the filter finds. Null once they are replayed: the replay says it."""
    token: str | None
    """Repeat the request with this token to replay what the preview found. Null once that is done."""
    replay: Replay | None
    """The replay, which is carried out in the background. Null in a preview."""


class Judgement(Shown):
    """What a replay did to a postback, or would have done."""

    judgement_id: int
    postback_id: UUID
    judged_at: datetime
    changed: bool
    """Whether anything about it has changed."""
    before: JudgedPostback
    after: JudgedPostback
    note: str | None
    """Why it stayed as it was, if there is a reason."""


class JudgementQuery(NumberedPageQuery):
    """A page of the results of a replay."""

    changed: Flag = False
    """Whether only postbacks that changed are shown."""


def show_replay(row: Mapping[str, Any]) -> Replay:
    """Return the replay of a row."""
    return Replay.of(row, filter=ReplayedFilter.of_stored(row["filter"]))


def show_judgement(row: Mapping[str, Any]) -> Judgement:
    """Return the judgement of a row."""
    before, after = (JudgedPostback.of_stored(row[name]) for name in ("before", "after"))
    return Judgement.of(row, before=before, after=after)
