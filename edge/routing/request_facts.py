"""What rules may ask about a request. Each fact is looked up when a condition asks for it, and once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from config.geo import GeoDatabases, Place
from edge.routing.seen_visitors import SeenVisitors
from tracking.clicks import parse_bounded, sub_values
from tracking.routing import visitor_seed
from tracking.traffic import TrafficClass, class_of_request, is_declared_bot
from tracking.visitors import UserAgent, accepted_language, parse_user_agent, referrer_host

_HOUR_S = 3600


class LinkFacts(NamedTuple):
    """What rules may ask about the link."""

    link_id: int
    source: str
    sub_defaults: Sequence[str | None]


class RequestFacts:
    """The facts of one request (tracking.routing.Facts). `looked_up` has those that its record does not tell."""

    def __init__(
        self, env: dict[str, Any], ip: str, link: LinkFacts, lookups: tuple[GeoDatabases, SeenVisitors], now_s: float
    ) -> None:
        self._env = env
        self._ip = ip
        self._link = link
        self._geo, self._seen = lookups
        self._now_s = now_s
        self.looked_up: dict[str, Any] = {}

    @cached_property
    def seed(self) -> int:
        """The visitor of this link, for choices and for who was here before."""
        return visitor_seed(self._ip, self._env.get("HTTP_USER_AGENT", ""), self._link.link_id)

    @cached_property
    def country(self) -> str:
        return self._noted("country", self._place.country)

    @cached_property
    def region(self) -> str:
        return self._noted("region", self._place.region)

    @cached_property
    def city(self) -> str:
        return self._noted("city", self._place.city)

    @cached_property
    def isp(self) -> str:
        return self._noted("isp", self._place.isp)

    @cached_property
    def asn(self) -> int:
        self.looked_up["asn"] = self._place.asn
        return self._place.asn

    @cached_property
    def connection(self) -> str:
        return self._noted("connection", self._place.connection)

    @cached_property
    def device(self) -> str:
        return self._noted("device", self._agent.device)

    @cached_property
    def os(self) -> str:
        return self._noted("os", self._agent.os)

    @cached_property
    def browser(self) -> str:
        return self._noted("browser", self._agent.browser)

    @cached_property
    def language(self) -> str:
        return accepted_language(self._env.get("HTTP_ACCEPT_LANGUAGE", ""))

    @cached_property
    def referrer(self) -> str:
        return referrer_host(self._env.get("HTTP_REFERER", ""))

    @property
    def source(self) -> str:
        return self._link.source

    @cached_property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self._now_s, UTC)

    @cached_property
    def returning(self) -> bool:
        hour = int(self._now_s) // _HOUR_S
        returning = self._seen.is_returning(self.seed, hour)
        if self.own_class is None:
            # A HEAD request or a page loaded ahead is no visit.
            self._seen.remember(self.seed, hour)
        self.looked_up["returning"] = returning
        return returning

    @cached_property
    def bot(self) -> bool:
        bot = is_declared_bot(self._env.get("HTTP_USER_AGENT", ""))
        self.looked_up["bot"] = bot
        return bot

    @cached_property
    def own_class(self) -> TrafficClass | None:
        """The class that the request has by its form alone."""
        get = self._env.get
        return class_of_request(
            get("REQUEST_METHOD", ""), get("HTTP_SEC_PURPOSE") or get("HTTP_PURPOSE") or get("HTTP_X_MOZ") or ""
        )

    @cached_property
    def request_class(self) -> str:
        if self.own_class is not None:
            found = self.own_class
        elif self.bot:
            found = TrafficClass.BOT
        else:
            found = TrafficClass.DATACENTER if self._place.anonymous == "hosting" else TrafficClass.VALID
        return self._noted("class", found.value)

    def parameter(self, name: str) -> str | None:
        return self._parameters.get(name)

    def sub(self, number: int) -> str | None:
        return self._subs[number - 1]

    @cached_property
    def _place(self) -> Place:
        return self._geo.lookup(self._ip)

    @cached_property
    def _agent(self) -> UserAgent:
        return parse_user_agent(self._env.get("HTTP_USER_AGENT", ""))

    @cached_property
    def _parameters(self) -> dict[str, str]:
        return parse_bounded(self._env.get("QUERY_STRING", ""))[0]

    @cached_property
    def _subs(self) -> list[str | None]:
        return sub_values(self._parameters, self._link.sub_defaults)

    def _noted(self, field: str, value: str) -> str:
        self.looked_up[field] = value
        return value
