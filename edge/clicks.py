"""The hot path: a tracking link is followed, recorded and answered. No network, no query, one write to local disk."""

from __future__ import annotations

from typing import Any

import falcon

from config.mirror import MirrorReader
from config.served import ServedProfile
from edge.address import client_address, host_name
from edge.countries import CountryTable
from edge.decision import Redirect, Rejection, decide
from edge.outcomes import Outcome
from edge.pages import js_redirect_page
from edge.problems import set_problem
from edge.recorder import Recorder
from tracking.parameters import parse_query, sub_value
from tracking.records import Click, as_text, encode_click
from tracking.template import SUB_NAMES, expand

_SUB_NUMBERS = {name: number for number, name in enumerate(SUB_NAMES, 1)}
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

    def __init__(self, mirror: MirrorReader, recorder: Recorder, countries: CountryTable, trusted_proxies: int) -> None:
        self._mirror = mirror
        self._recorder = recorder
        self._countries = countries
        self._trusted_proxies = trusted_proxies

    def on_get(self, req: falcon.Request, resp: falcon.Response, slug: str) -> None:
        """Answer a click."""
        env = req.env
        host = host_name(env)
        decision = decide(self._mirror, host, slug)
        if isinstance(decision, Rejection):
            self._reject(resp, decision)
        elif decision.profile is None:
            location = self._expand(decision, env, slug, "", 0, parse_query(env.get("QUERY_STRING", "")))
            resp.set_header(REASON_HEADER, Outcome.NO_PROFILE)
            self._recorder.count(Outcome.NO_PROFILE)
            self._send(resp, "302", location, None)
        else:
            self._record(env, resp, decision, decision.profile, host, slug)

    on_head = on_get

    def _record(
        self,
        env: dict[str, Any],
        resp: falcon.Response,
        decision: Redirect,
        profile: ServedProfile,
        host: str,
        slug: str,
    ) -> None:
        query = env.get("QUERY_STRING", "")
        click_id, at_ms = self._recorder.mint()
        location = self._expand(decision, env, slug, click_id, at_ms, parse_query(query))
        click = Click(
            click_id=click_id,
            at_ms=at_ms,
            link_id=decision.link.link_id,
            profile_id=profile.profile_id,
            config_version=decision.config_version,
            method=env["REQUEST_METHOD"],
            host=host,
            slug=slug,
            query=query,
            ip=client_address(env, self._trusted_proxies),
            user_agent=env.get("HTTP_USER_AGENT", ""),
            referrer=env.get("HTTP_REFERER", ""),
            accept_language=env.get("HTTP_ACCEPT_LANGUAGE", ""),
            purpose=env.get("HTTP_SEC_PURPOSE") or env.get("HTTP_PURPOSE") or env.get("HTTP_X_MOZ") or "",
            location=location,
            sub_defaults=decision.link.sub_defaults,
        )
        # The visitor goes on whatever the disk says; a click that could not be logged is counted and shown.
        logged = self._recorder.log_click(encode_click(click))
        self._recorder.count(Outcome.REDIRECTED if logged else Outcome.NOT_LOGGED)
        if logged:
            resp.set_header(CLICK_ID_HEADER, click_id)
        else:
            resp.set_header(REASON_HEADER, Outcome.NOT_LOGGED)
        self._send(resp, profile.redirect_type, location, profile)

    def _send(self, resp: falcon.Response, redirect_type: str, location: str, profile: ServedProfile | None) -> None:
        if redirect_type == "js" and profile is not None:
            resp.status = falcon.HTTP_200
            resp.content_type = "text/html; charset=utf-8"
            resp.data, policy = js_redirect_page(location, profile.pixels, profile.pixel_timeout_ms)
            resp.set_header("Content-Security-Policy", policy)
            resp.set_header("Cache-Control", NO_STORE)
            return
        resp.status = _STATUS[redirect_type]
        resp.set_header("Location", location)
        if redirect_type == "302":
            resp.set_header("Cache-Control", NO_STORE)

    def _reject(self, resp: falcon.Response, rejection: Rejection) -> None:
        outcome = rejection.outcome
        self._recorder.count(outcome)
        if rejection.fallback_url is not None:
            self._send(resp, "302", rejection.fallback_url, None)
        else:
            status, detail = _REJECTIONS[outcome]
            set_problem(resp, status, outcome, detail)
        resp.set_header(REASON_HEADER, outcome)

    def _expand(
        self, decision: Redirect, env: dict[str, Any], slug: str, click_id: str, at_ms: int, parameters: dict[str, str]
    ) -> str:
        link = decision.link

        def value_of(name: str) -> str:
            number = _SUB_NUMBERS.get(name)
            if number is not None:
                return sub_value(number, parameters, link.sub_defaults) or ""
            match name:
                case "click_id":
                    return click_id
                case "timestamp":
                    return str(at_ms // 1000) if at_ms else ""
                case "user_agent":
                    return as_text(env.get("HTTP_USER_AGENT", ""))
                case "referrer":
                    return as_text(env.get("HTTP_REFERER", ""))
                case "ip":
                    return client_address(env, self._trusted_proxies)
                case "country":
                    return self._countries.country(client_address(env, self._trusted_proxies))
                case "source":
                    return link.source or ""
                case "link_id":
                    return str(link.link_id)
                case "slug":
                    return slug
            return parameters.get(name, "")

        return expand(decision.parts, value_of)
