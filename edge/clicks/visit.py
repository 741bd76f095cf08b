"""One request for one link: the values of its destination's macros, and its record for the spool."""

from __future__ import annotations

from secrets import randbelow
from typing import Any

import orjson

from config.geo import GeoDatabases
from edge.clicks.decision import Redirect
from edge.http import client_address
from tracking.clicks import DYN_PREFIX, NextHopResult, encode_dyn, expand, find_next_hop
from tracking.spool import CLICK_RECORD_VERSION, as_text
from tracking.visitors import accepted_language, parse_user_agent

_RANDOM_COUNT = 10**10


class Visit:
    """A request with its redirect. Click id and time stay empty if it is not recorded. Text is latin-1 of raw bytes."""

    __slots__ = ("_at_ms", "_env", "_geo", "_redirect", "click_id", "ip", "location", "next_hop")

    def __init__(self, env: dict[str, Any], redirect: Redirect, trusted_proxies: int, geo: GeoDatabases) -> None:
        self._env = env
        self._redirect = redirect
        self._geo = geo
        self._at_ms = 0
        # PERF: without proxies this saves the call, 0.2 microseconds.
        self.ip: str = client_address(env, trusted_proxies) if trusted_proxies else env.get("REMOTE_ADDR") or ""
        self.click_id = ""
        self.location = ""
        self.next_hop: NextHopResult | None = None

    def build_location(self) -> str:
        """Return the destination with every macro replaced by its percent-encoded value."""
        query = self._env.get("QUERY_STRING", "")
        self.location = expand(self._redirect.expansion, self.click_id, query, self._value)
        if self._redirect.next_hops:
            self._follow_next_hop(query)
        return self.location

    def record(self, click_id: str, at_ms: int) -> bytes:
        """Return the spool's payload of this click, and set `click_id` and `location`. `at_ms` is Unix milliseconds."""
        self.click_id = click_id
        self._at_ms = at_ms
        env = self._env
        redirect = self._redirect
        link = redirect.link
        profile = redirect.profile
        assert profile is not None, "a visit without an active profile is not recorded"
        get = env.get
        query = get("QUERY_STRING", "")
        self.location = expand(redirect.expansion, click_id, query, self._value)
        if redirect.next_hops:
            self._follow_next_hop(query)
        # PERF: these are the fields of tracking.spool.records.Click in their order. Making a Click and unpacking it
        # costs 0.9 microseconds more. tests/unit/clicks/test_edge_answers.py compares the bytes with those of
        # encode_click.
        return orjson.dumps(
            (
                CLICK_RECORD_VERSION,
                click_id,
                at_ms,
                link.link_id,
                profile.profile_id,
                redirect.config_version,
                env["REQUEST_METHOD"],
                redirect.host,
                redirect.slug,
                query,
                self.ip,
                get("HTTP_USER_AGENT", ""),
                get("HTTP_REFERER", ""),
                get("HTTP_ACCEPT_LANGUAGE", ""),
                get("HTTP_SEC_PURPOSE") or get("HTTP_PURPOSE") or get("HTTP_X_MOZ") or "",
                self.location,
                link.sub_defaults,
                redirect.routing,
            )
        )

    def _follow_next_hop(self, query: str) -> None:
        """Set `location` to the next hop that the click names, if it may name one, and `next_hop` to what became of
        it. The first parameter that the click has decides.
        """
        for hops in self._redirect.next_hops:
            found = find_next_hop(query, hops, self.click_id)
            if found is not None:
                self.next_hop = found.result
                self.location = found.url or self.location
                return

    def _value(self, name: str) -> str:
        """Return the value of a macro that is neither the click id nor a parameter of the query."""
        match name:
            case "timestamp":
                return str(self._at_ms // 1000) if self._at_ms else ""
            case "user_agent":
                return as_text(self._env.get("HTTP_USER_AGENT", ""))
            case "referrer":
                return as_text(self._env.get("HTTP_REFERER", ""))
            case "random":
                return str(randbelow(_RANDOM_COUNT))
            case "ip":
                return self.ip
            case "country" | "region" | "city":
                return str(getattr(self._geo.lookup(self.ip), name))
            case "device" | "os" | "browser":
                return str(getattr(parse_user_agent(self._env.get("HTTP_USER_AGENT", "")), name))
            case "language":
                return accepted_language(self._env.get("HTTP_ACCEPT_LANGUAGE", ""))
            case "source":
                return self._redirect.link.source or ""
            case "link_id":
                return str(self._redirect.link.link_id)
            case "slug":
                return self._redirect.slug
        if name.startswith(DYN_PREFIX):
            return encode_dyn(name.removeprefix(DYN_PREFIX), self.click_id) if self.click_id else ""
        raise AssertionError(f"{name} is no macro of ours")
