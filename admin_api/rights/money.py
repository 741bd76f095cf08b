"""Hides money from whoever may not see it, in every JSON answer: its fields become null.

A caller without `money:read` sees no amount. A partner sees the money of its own account, so commissions, entries and
payouts, but nothing that merchants pay, and nothing of what the operator decides and notes. Fields are known by their
names; a test asks that every field of the API with money in it has one of these names. Raw requests may hold amounts
under any name, so they are hidden whole.
"""

from __future__ import annotations

from typing import Any

import falcon
import orjson

from admin_api.http import ForbiddenError
from admin_api.runtime import Actor
from tracking.rights import Right, Role

# What merchants pay, and what follows from it.
_OF_MERCHANTS = {
    *("payout", "payout_minor", "from_payout_minor", "to_payout_minor", "original_minor", "original_currency"),
    *("our_amount", "our_amount_minor", "revenue", "revenue_minor", "cost", "cost_micro", "profit", "roi"),
}
_OF_ANYBODY = {
    *("amount", "amounts", "balance", "commission", "commission_amount", "computed", "earns", "override", "paid"),
    *("revshare_percent", "sums"),
}
# Requests as they came, and what was sent and answered: amounts may be anywhere in them.
_RAW = {"body", "facts", "query", "response_body"}
# What the operator knows of a link and decides about a click, and who of the operator's people did something.
_OF_THE_OPERATOR = {
    *("actor", "changed_by", "corrections", "decided_by", "decision", "fix", "link_changed_by", "notes", "paid_by"),
    *("plan_id", "plan_rung", "routing", "tags", "why"),
}
_PARTNER_HIDDEN = _OF_MERCHANTS | _OF_THE_OPERATOR | {"body", "query"}
# Filters that would tell what is hidden.
_PARAMETERS = frozenset({"currency", "postponed"})
# A changed field by its name, with what it was and became.
_CHANGE = ("before", "after", "from", "to", "value")


class MoneyHiddenError(ForbiddenError):
    """A filter or an order by money, of a caller who may not see it."""

    code = "money-hidden"


class Hiding:
    """Falcon middleware: takes out of each JSON answer what its caller may not see."""

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Run after every request."""
        actor: Actor | None = req.context.get("actor")
        if actor is None or not req_succeeded or not resp.data or resp.content_type != falcon.MEDIA_JSON:
            return
        if not _sees_all(actor):
            resp.data = orjson.dumps(hidden(orjson.loads(resp.data), actor))


def hidden(answer: Any, actor: Actor) -> Any:
    """Return an answer without what the actor may not see."""
    if isinstance(answer, list):
        return [hidden(each, actor) for each in answer]
    if not isinstance(answer, dict):
        return answer
    if isinstance(answer.get("field"), str) and is_hidden(answer["field"], actor):
        return answer | dict.fromkeys(filter(answer.__contains__, _CHANGE))
    shown = {name: None if is_hidden(name, actor) else hidden(value, actor) for name, value in answer.items()}
    if "summary" in answer and shown.get("detail") != answer.get("detail"):
        # The sentence says what the detail says.
        shown["summary"] = None
    return shown


def is_hidden(name: str, actor: Actor) -> bool:
    """Say whether a field is hidden from an actor, by its name."""
    if Right.MONEY_READ not in actor.rights and (
        name in _OF_MERCHANTS or name in _OF_ANYBODY or name in _RAW or name.endswith("_minor")
    ):
        return True
    return actor.role is Role.PARTNER and name in _PARTNER_HIDDEN


def refuse_money_parameters(req: falcon.Request, actor: Actor) -> None:
    """Raise MoneyHiddenError for a filter or an order that would tell what is hidden from the actor."""
    if _sees_all(actor):
        return
    orders = {each.strip().lstrip("-") for each in (req.get_param("sort") or "").split(",")}
    named = {name for name in orders if is_hidden(name, actor)}
    if Right.MONEY_READ not in actor.rights:
        named |= _PARAMETERS & req.params.keys()
    if named:
        raise MoneyHiddenError(f"{min(named)} tells about money that you may not see; leave it out")


def _sees_all(actor: Actor) -> bool:
    return Right.MONEY_READ in actor.rights and actor.role is not Role.PARTNER
