"""The hot path: answers a tracking link. No network, no query; one write to the local disk."""

from __future__ import annotations

from typing import Any

import falcon

from config.configuration import PublishedProfile
from edge.clicks.decision import Redirect, Rejection, Router
from edge.clicks.javascript_page import js_redirect_page
from edge.clicks.special import SpecialLinks
from edge.clicks.visit import Visit
from edge.http import EdgeRequest, EdgeResponse, Outcome, set_problem
from edge.spool import Recorder

_STATUS = {"301": falcon.HTTP_301, "302": falcon.HTTP_302}
NO_STORE = "no-store, private"
# Falcon sends header names in lower case.
REASON_HEADER = "x-waypost-reason"
CLICK_ID_HEADER = "x-waypost-click-id"
NEXT_HOP_HEADER = "x-waypost-next-hop"
REJECTIONS = {
    Outcome.UNKNOWN_SLUG: (404, "No such link on this domain."),
    Outcome.WRONG_HOST: (404, "This host is not a tracking domain."),
    Outcome.LINK_INACTIVE: (404, "This link is switched off."),
    Outcome.NO_DESTINATION: (404, "This link has no destination: its profile has no fallback URL."),
    Outcome.LOOP: (404, "This link leads through other links of ours and does not end."),
    Outcome.MIRROR_EMPTY: (503, "No configuration has reached this edge yet."),
}


class ClickResource:
    """GET and HEAD of /click/{slug}. One immutable instance serves all requests of a process."""

    def __init__(self, router: Router, recorder: Recorder, special: SpecialLinks) -> None:
        self._router = router
        self._recorder = recorder
        self._special = special
        self._geo = special.chooser.geo
        self._trusted_proxies = special.trusted_proxies

    def on_get(self, req: EdgeRequest, resp: EdgeResponse, slug: str) -> None:
        """Answer a click."""
        env = req.env
        decision = self._router.decide(env.get("HTTP_HOST") or "", slug)
        if isinstance(decision, Redirect) and not decision.is_plain:
            decision = self._special.decide(decision, env)
        if isinstance(decision, Rejection):
            self._reject(resp, decision, env)
            return
        visit = Visit(env, decision, self._trusted_proxies, self._geo)
        if decision.profile is None:
            self._recorder.count(Outcome.NO_PROFILE)
            _send(resp, "302", visit.build_location(), {REASON_HEADER: Outcome.NO_PROFILE.value})
            return
        # The visitor is redirected even if the disk refuses the record; such a click is counted as lost.
        if self._recorder.log_click(visit.record):
            headers = {CLICK_ID_HEADER: visit.click_id}
        else:
            headers = {REASON_HEADER: Outcome.NOT_LOGGED.value}
        if decision.routing is not None and decision.routing[4] is not None:
            self._recorder.count_routing(decision.routing[4])
        if visit.next_hop is not None:
            self._recorder.count_next_hop(visit.next_hop)
            headers[NEXT_HOP_HEADER] = visit.next_hop.value
        if decision.profile.redirect_type == "js":
            _send_page(resp, visit.location, decision.profile, headers)
        else:
            _send(resp, decision.profile.redirect_type, visit.location, headers)

    on_head = on_get

    def _reject(self, resp: EdgeResponse, rejection: Rejection, env: dict[str, Any]) -> None:
        outcome, fallback_url = rejection.outcome, rejection.fallback_url
        if fallback_url is not None:
            fallback_url = self._special.fallback(fallback_url, env)
            outcome = outcome if fallback_url is not None else Outcome.LOOP
        self._recorder.count(outcome)
        if fallback_url is not None:
            _send(resp, "302", fallback_url, {REASON_HEADER: outcome.value})
            return
        status, detail = REJECTIONS[outcome]
        set_problem(resp, status, outcome, detail)
        resp.set_header(REASON_HEADER, outcome)


def _send(resp: EdgeResponse, redirect_type: str, location: str, headers: dict[str, str]) -> None:
    headers["location"] = location
    if redirect_type == "302":
        headers["cache-control"] = NO_STORE
    resp.redirect(_STATUS[redirect_type], headers)


def _send_page(resp: EdgeResponse, location: str, profile: PublishedProfile, headers: dict[str, str]) -> None:
    resp.status = falcon.HTTP_200
    resp.content_type = "text/html; charset=utf-8"
    resp.data, policy = js_redirect_page(location, profile.pixels, profile.pixel_timeout_ms)
    resp.set_headers(headers)
    resp.set_header("Content-Security-Policy", policy)
    resp.set_header("Cache-Control", NO_STORE)
