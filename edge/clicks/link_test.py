"""Tells what the edge would answer to a click of a link. Nothing is recorded, and no place in a cap is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import time

import falcon
import orjson

from edge.clicks.decision import Redirect, Rejection, Router
from edge.clicks.resource import NO_STORE, REJECTIONS
from edge.clicks.special import SpecialLinks
from edge.clicks.visit import Visit
from edge.http import EdgeRequest, EdgeResponse, Outcome, host_name, set_problem
from tracking.clicks import TEST_CLICK_ID, is_test_token
from tracking.routing import Capacity


class LinkTestResource:
    """GET /test-click/{slug} with a token of the admin API.

    SECURITY: without a token, whoever knows a link could look behind it past its counts.
    """

    def __init__(
        self,
        router: Router,
        special: SpecialLinks,
        keys: Sequence[bytes],
        now_s: Callable[[], float] = time,
    ) -> None:
        self._router = router
        chooser = special.chooser
        untouched = replace(chooser, capacity=_Untaken(chooser.capacity), seen=chooser.seen.unchanged())
        self._special = replace(special, chooser=untouched)
        self._keys = keys
        self._now_s = now_s

    def on_get(self, req: EdgeRequest, resp: EdgeResponse, slug: str) -> None:
        """Answer 200 with the status, the location and the reason that a visitor would get."""
        env = req.env
        token = env.get("HTTP_X_WAYPOST_TEST") or ""
        if not is_test_token(token, self._keys, host_name(env), slug, self._now_s()):
            set_problem(resp, 403, "bad-test-token", "A test click needs a token of the admin API, valid for a minute.")
            return
        decision = self._router.decide(env.get("HTTP_HOST") or "", slug)
        if isinstance(decision, Redirect) and not decision.is_plain:
            decision = self._special.decide(decision, env)
        answer = _refused(decision) if isinstance(decision, Rejection) else self._redirected(decision, req)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = orjson.dumps(answer)
        resp.set_header("Cache-Control", NO_STORE)

    def _redirected(self, decision: Redirect, req: EdgeRequest) -> dict[str, object]:
        visit = Visit(req.env, decision, self._special.trusted_proxies, self._special.chooser.geo)
        visit.click_id = TEST_CLICK_ID
        profile, routing = decision.profile, decision.routing
        kind = profile.redirect_type if profile is not None else "302"
        return {
            "status": 200 if kind == "js" else int(kind),
            "location": visit.build_location(),
            "reason": None if profile is not None else Outcome.NO_PROFILE.value,
            "next_hop": None if visit.next_hop is None else visit.next_hop.value,
            "rule_id": None if routing is None else routing[2],
            "destination_id": None if routing is None else routing[3],
        }


def _refused(rejection: Rejection) -> dict[str, object]:
    is_redirect = rejection.fallback_url is not None
    return {
        "status": 302 if is_redirect else REJECTIONS[rejection.outcome][0],
        "location": rejection.fallback_url,
        "reason": rejection.outcome.value,
        "next_hop": None,
        "rule_id": None,
        "destination_id": None,
    }


class _Untaken:
    """The capacity of caps, looked at and never taken."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity

    def take(self, cap_ids: Sequence[int]) -> bool:
        """Return whether there is room, and leave it as it is."""
        return self._capacity.has_left(cap_ids)

    def has_left(self, cap_ids: Sequence[int]) -> bool:
        """Return whether there is room."""
        return self._capacity.has_left(cap_ids)
