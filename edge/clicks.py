"""The hot path: a tracking link is followed, recorded and answered. No network, no query, one write to local disk."""

from __future__ import annotations

import falcon

from config.served import ServedProfile
from edge.address import host_name
from edge.countries import CountryTable
from edge.decision import Redirect, Rejection, Router
from edge.outcomes import Outcome
from edge.pages import js_redirect_page
from edge.problems import set_problem
from edge.recorder import Recorder
from edge.visit import Visit
from tracking.records import encode_click

_STATUS = {"301": falcon.HTTP_301, "302": falcon.HTTP_302}
NO_STORE = "no-store, private"
REASON_HEADER = "X-Waypost-Reason"
CLICK_ID_HEADER = "X-Waypost-Click-Id"
_REJECTIONS = {
    Outcome.UNKNOWN_SLUG: (404, "No such link on this domain."),
    Outcome.WRONG_HOST: (404, "This host is not a tracking domain."),
    Outcome.LINK_INACTIVE: (404, "This link is switched off."),
    Outcome.MIRROR_EMPTY: (503, "No configuration has reached this edge yet."),
}


class ClickResource:
    """GET and HEAD of /click/{slug}. One immutable instance serves all requests of a process."""

    def __init__(self, router: Router, recorder: Recorder, countries: CountryTable, trusted_proxies: int) -> None:
        self._router = router
        self._recorder = recorder
        self._countries = countries
        self._trusted_proxies = trusted_proxies

    def on_get(self, req: falcon.Request, resp: falcon.Response, slug: str) -> None:
        """Answer a click."""
        host = host_name(req.env)
        decision = self._router.decide(host, slug)
        if isinstance(decision, Rejection):
            self._reject(resp, decision)
            return
        visit = Visit(req.env, decision.link, self._trusted_proxies, self._countries)
        visit.host, visit.slug = host, slug
        if decision.profile is None:
            self._recorder.count(Outcome.NO_PROFILE)
            resp.set_header(REASON_HEADER, Outcome.NO_PROFILE)
            _send(resp, "302", visit.location())
        else:
            self._answer_click(resp, visit, decision, decision.profile)

    on_head = on_get

    def _answer_click(self, resp: falcon.Response, visit: Visit, decision: Redirect, profile: ServedProfile) -> None:
        visit.click_id, visit.at_ms = self._recorder.mint()
        location = visit.location()
        click = visit.record(profile.profile_id, decision.config_version, location)
        # The visitor goes on whatever the disk says; a click that could not be logged is counted and shown.
        if self._recorder.log_click(encode_click(click)):
            self._recorder.count(Outcome.REDIRECTED)
            resp.set_header(CLICK_ID_HEADER, visit.click_id)
        else:
            self._recorder.count(Outcome.NOT_LOGGED)
            resp.set_header(REASON_HEADER, Outcome.NOT_LOGGED)
        if profile.redirect_type == "js":
            _send_page(resp, location, profile)
        else:
            _send(resp, profile.redirect_type, location)

    def _reject(self, resp: falcon.Response, rejection: Rejection) -> None:
        outcome = rejection.outcome
        self._recorder.count(outcome)
        if rejection.fallback_url is not None:
            _send(resp, "302", rejection.fallback_url)
        else:
            status, detail = _REJECTIONS[outcome]
            set_problem(resp, status, outcome, detail)
        resp.set_header(REASON_HEADER, outcome)


def _send(resp: falcon.Response, redirect_type: str, location: str) -> None:
    resp.status = _STATUS[redirect_type]
    resp.set_header("Location", location)
    if redirect_type == "302":
        resp.set_header("Cache-Control", NO_STORE)


def _send_page(resp: falcon.Response, location: str, profile: ServedProfile) -> None:
    resp.status = falcon.HTTP_200
    resp.content_type = "text/html; charset=utf-8"
    resp.data, policy = js_redirect_page(location, profile.pixels, profile.pixel_timeout_ms)
    resp.set_header("Content-Security-Policy", policy)
    resp.set_header("Cache-Control", NO_STORE)
