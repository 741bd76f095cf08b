"""Rows about a click as steps: what each says happened, in a sentence, with all that is known of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from admin_api.event_log.money_steps import entry_step, money_text, payout_steps
from admin_api.event_log.rows import TraceRows
from admin_api.runtime import Row
from tracking.clicks import SUB_NAMES
from tracking.conversions import PostbackOutcome, PostbackReason
from tracking.event_log import Step, StepKind
from tracking.postbacks import fix_of
from tracking.spool import ClickClass

_CLASS_WORDS = {
    ClickClass.VALID: "it counts as a click",
    ClickClass.HEAD: "a HEAD request, which is kept apart and is no click",
    ClickClass.PREFETCH: "the browser fetched it ahead, so it is kept apart and is no click",
}
_REQUEST = ("route", "method", "host", "query", "content_type", "body", "ip", "user_agent")
_FIELDS = ("event", "order_id", "status_sent", "payout_minor", "currency", "merchant_id", "authenticated")


class Judged(NamedTuple):
    """What was found of a postback, and when."""

    at: datetime
    outcome: str
    reason: str | None


def steps_of(rows: TraceRows) -> list[Step]:
    """Return everything that happened to a click, in no order."""
    change_keys = {change["change_id"]: change_key(change) for change in rows.changes}
    return [
        *(() if rows.click is None else click_steps(rows.click)),
        *(step for postback in rows.postbacks for step in postback_steps(postback, _first_judgement(postback, rows))),
        *(_replayed(judgement) for judgement in rows.judgements),
        *conversion_steps(rows),
        *(entry_step(entry, change_keys.get(entry["change_id"])) for entry in rows.entries),
        *(step for payout in rows.payouts for step in payout_steps(payout)),
        *delivery_steps(rows, change_keys),
        *(step for issue in rows.issues for step in issue_steps(issue)),
    ]


def click_steps(click: Row) -> Iterator[Step]:
    """Yield what the edge and the worker did with the request."""
    at = click["clicked_at"]
    names = ("click_id", "method", "host", "query", "parameters", "ip", "user_agent", "referrer", "accept_language")
    path = f"/click/{click['slug']}" + (f"?{click['query']}" if click["query"] else "")
    yield Step(
        StepKind.CLICK_REQUESTED,
        at,
        "click:requested",
        f"{click['method']} {click['host']}{path} from {click['ip'] or 'an address that was not kept'}",
        {
            **{name: click[name] for name in names},
            "slug": click["slug"],
            "subs": {name: click[name] for name in SUB_NAMES if click[name] is not None},
        },
    )
    why = list(_reasons(click))
    yield Step(
        StepKind.CLICK_DECIDED,
        at,
        "click:decided",
        "; ".join(why),
        {
            **{name: click[name] for name in ("config_version", "class", "link_id", "link_name", "profile_id")},
            **{name: click[name] for name in ("profile_name", "merchant_id", "merchant_name")},
            "why": why,
            "changed_since": [
                noun
                for noun in ("link", "profile")
                if click[f"{noun}_updated_at"] is not None and click[f"{noun}_updated_at"] > at
            ],
        },
        after="click:requested",
    )
    yield Step(
        StepKind.CLICK_REDIRECTED,
        at,
        "click:redirected",
        f"sent on to {click['location']}",
        {"location": click["location"], "redirect_type_now": click["redirect_type"]},
        after="click:decided",
    )
    yield Step(
        StepKind.CLICK_STORED,
        click["stored_at"],
        "click:stored",
        f"stored from record {click['spool_number']} of spool {click['spool_id']}",
        {"spool_id": click["spool_id"], "spool_number": click["spool_number"]},
        after="click:redirected",
    )


def postback_steps(postback: Row, first: Judged) -> Iterator[Step]:
    """Yield what was received and how it was judged at first; replays are steps of their own."""
    key = f"postback:{postback['postback_id']}"
    identity = {"postback_id": postback["postback_id"]}
    yield Step(
        StepKind.POSTBACK_RECEIVED,
        postback["received_at"],
        key,
        f"{_said(postback)}; answered {postback['answered']}",
        {
            **identity,
            "answered": postback["answered"],
            "request": {name: postback[name] for name in _REQUEST},
            "read": {name: postback[name] for name in _FIELDS},
        },
        after="click:requested",
    )
    if postback["corrections"]:
        yield Step(
            StepKind.POSTBACK_CORRECTED,
            postback["received_at"],
            f"{key}:corrected",
            ", ".join(f"{each['field']} by rule {each['rule']}" for each in postback["corrections"]),
            {**identity, "corrections": postback["corrections"]},
            after=key,
        )
    is_parked = first.outcome == PostbackOutcome.PARKED
    if is_parked or first.at > postback["stored_at"]:
        yield Step(
            StepKind.POSTBACK_PARKED,
            postback["stored_at"],
            f"{key}:parked",
            "its click was not stored yet, so it waits for it",
            {**identity, "fix": fix_of(PostbackReason.CLICK_NOT_STORED_YET)},
            after=key,
        )
    if not is_parked:
        yield Step(
            StepKind.POSTBACK_JUDGED,
            first.at,
            f"{key}:judged",
            first.outcome + (f": {first.reason}" if first.reason not in (None, first.outcome) else ""),
            {
                **identity,
                "outcome": first.outcome,
                "reason": first.reason,
                "fix": fix_of(first.reason),
                "detail": postback["detail"],
                "conversion_id": postback["conversion_id"],
                "stored_at": postback["stored_at"],
                "spool_id": postback["spool_id"],
                "spool_number": postback["spool_number"],
            },
            after=key,
        )


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
            {
                "conversion_id": change["conversion_id"],
                "event": conversion["event"],
                "order_id": conversion["order_id"],
                **{field: change[field] for field in change if field not in ("conversion_id", "changed_at")},
                "fix": fix_of(change["reason"]),
            },
            # What an operator did follows from the conversion being there.
            after=cause or (None if made else f"conversion:{change['conversion_id']}"),
            sequence=change["change_id"],
        )


def delivery_steps(rows: TraceRows, change_keys: Mapping[int, str]) -> Iterator[Step]:
    """Yield what was reported on to partners, each attempt with its request and the answer."""
    for delivery in rows.deliveries:
        key = f"delivery:{delivery['delivery_id']}"
        identity = {"delivery_id": delivery["delivery_id"], "outgoing_postback_id": delivery["outgoing_postback_id"]}
        yield Step(
            StepKind.DELIVERY_PLANNED,
            delivery["planned_at"],
            key,
            f"{delivery['event']} for {delivery['name']}",
            {**identity, "name": delivery["name"], "event": delivery["event"], "facts": delivery["facts"]},
            after=change_keys.get(delivery["change_id"]),
        )
        if delivery["finished_at"] is not None:
            yield Step(
                StepKind.DELIVERY_ENDED,
                delivery["finished_at"],
                f"{key}:ended",
                f"{delivery['state']} after {delivery['attempts']} attempt{'s' if delivery['attempts'] != 1 else ''}",
                {**identity, "state": delivery["state"], "attempts": delivery["attempts"]},
                after=key,
            )
    for attempt in rows.attempts:
        answer = attempt["response_status"] or attempt["error"] or "no answer yet"
        yield Step(
            StepKind.DELIVERY_ATTEMPTED,
            attempt["started_at"],
            f"attempt:{attempt['delivery_id']}:{attempt['attempt']}",
            f"{attempt['method']} {attempt['url']}: {answer}",
            attempt,
            after=f"delivery:{attempt['delivery_id']}",
            sequence=attempt["attempt"],
        )


def issue_steps(issue: Row) -> Iterator[Step]:
    """Yield what an operator was to look at."""
    key = f"issue:{issue['issue_id']}"
    shown = {name: issue[name] for name in ("issue_id", "kind", "title", "detail", "count", "state", "note")}
    cause = f"postback:{issue['postback_id']}" if issue["postback_id"] else None
    yield Step(StepKind.ISSUE_OPENED, issue["opened_at"], key, issue["title"], shown, cause, issue["issue_id"])
    if issue["resolved_at"] is not None:
        text = issue["note"] or "without a note"
        yield Step(StepKind.ISSUE_RESOLVED, issue["resolved_at"], f"{key}:resolved", text, shown, key)


def change_key(change: Row) -> str:
    """Return the key of a change's step."""
    return f"conversion:{change['conversion_id']}" if change["from_status"] is None else f"change:{change['change_id']}"


def _reasons(click: Row) -> Iterator[str]:
    """Yield why the edge answered as it did. Names are today's, where link and profile are still there."""
    yield f"link {click['link_id']}{_quoted(click['link_name'])} by the slug {click['slug']} on {click['host']}"
    yield f"active profile {click['profile_id']}{_quoted(click['profile_name'])}, so the request is recorded"
    yield f"class {click['class']}: {_CLASS_WORDS.get(click['class'], 'as the rules of its class say')}"
    yield f"by version {click['config_version']} of the configuration"


def _quoted(name: str | None) -> str:
    return "" if name is None else f" “{name}”"


def _said(postback: Row) -> str:
    order = f" of order {postback['order_id']}" if postback["order_id"] else ""
    status = f", status {postback['status_sent']}" if postback["status_sent"] else ""
    amount = postback["payout_minor"]
    money = "" if amount is None else f", {money_text(amount, postback['currency'])}"
    return f"{postback['event'] or 'no event'}{order}{money}{status}"


def _first_judgement(postback: Row, rows: TraceRows) -> Judged:
    """Return a postback's judgement before it was replayed."""
    judged_at = postback["judged_at"] or postback["stored_at"]
    for judgement in rows.judgements:
        if judgement["postback_id"] == postback["postback_id"] and not judgement["dry"]:
            before: dict[str, Any] = judgement["before"]
            # One that was refused when it was stored may only have become a claim by its replay.
            was_before = judged_at < judgement["judged_at"]
            return Judged(judged_at if was_before else postback["stored_at"], before["outcome"], before["reason"])
    return Judged(judged_at, postback["outcome"], postback["reason"])


def _replayed(judgement: Row) -> Step:
    before, after = judgement["before"], judgement["after"]
    words = f"{before['outcome']} → {after['outcome']}" if judgement["changed"] else "nothing changed"
    return Step(
        StepKind.POSTBACK_REPLAYED,
        judgement["judged_at"],
        f"judgement:{judgement['judgement_id']}",
        f"{'would have been ' if judgement['dry'] else ''}{words}",
        judgement,
        after=f"postback:{judgement['postback_id']}",
        sequence=judgement["judgement_id"],
    )
