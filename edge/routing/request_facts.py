"""What rules may ask about a request. Each fact is looked up when a condition asks for it, and once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from config.configuration import PublishedLink
from config.geo import GeoDatabases, Place
from edge.routing.seen_visitors import SeenVisitors
from tracking.clicks import parse_bounded, sub_value
from tracking.routing import visitor_seed
from tracking.traffic import TrafficClass, class_of_request, is_declared_bot
from tracking.visitors import UserAgent, accepted_language, parse_user_agent, referrer_host

_HOUR_S = 3600
Value = TypeVar("Value")


class _once(Generic[Value]):  # noqa: N801 - it is used as a decorator
    """A property that is looked up when it is first asked for.

    PERF: functools.cached_property takes a lock in Python 3.11, so that a fact costs 0.6 microseconds more. A request
    is of one thread.
    """

    def __init__(self, look_up: Callable[[Any], Value]) -> None:
        self._look_up = look_up
        self._name = look_up.__name__

    def __get__(self, facts: Any, _: type) -> Value:
        value = facts.__dict__[self._name] = self._look_up(facts)
        return value


class RequestFacts:
    """The facts of one request (tracking.routing.Facts). `looked_up` has those that its record does not tell."""

    def __init__(
        self,
        env: dict[str, Any],
        ip: str,
        link: PublishedLink,
        lookups: tuple[GeoDatabases, SeenVisitors],
        now_s: int,
    ) -> None:
        self._env = env
        self._ip = ip
        self._link = link
        self._geo, self._seen = lookups
        self._now_s = now_s
        self.looked_up: dict[str, Any] = {}

    @_once
    def seed(self) -> int:
        """The visitor of this link, for choices and for who was here before."""
        return visitor_seed(self._ip, self._env.get("HTTP_USER_AGENT", ""), self._link.link_id)

    @_once
    def country(self) -> str:
        return self._noted("country", self._place.country)

    @_once
    def region(self) -> str:
        return self._noted("region", self._place.region)

    @_once
    def city(self) -> str:
        return self._noted("city", self._place.city)

    @_once
    def isp(self) -> str:
        return self._noted("isp", self._place.isp)

    @_once
    def asn(self) -> int:
        self.looked_up["asn"] = self._place.asn
        return self._place.asn

    @_once
    def connection(self) -> str:
        return self._noted("connection", self._place.connection)

    @property
    def device(self) -> str:
        return self._agent.device

    @property
    def os(self) -> str:
        return self._agent.os

    @property
    def browser(self) -> str:
        return self._agent.browser

    @_once
    def language(self) -> str:
        return accepted_language(self._env.get("HTTP_ACCEPT_LANGUAGE", ""))

    @_once
    def referrer(self) -> str:
        return referrer_host(self._env.get("HTTP_REFERER", ""))

    @property
    def source(self) -> str:
        return self._link.source or ""

    @property
    def at_s(self) -> int:
        return self._now_s

    @_once
    def returning(self) -> bool:
        hour = self._now_s // _HOUR_S
        returning = self._seen.is_returning(self.seed, hour, remember=self.is_counted)
        self.looked_up["returning"] = returning
        return returning

    @_once
    def bot(self) -> bool:
        bot = is_declared_bot(self._env.get("HTTP_USER_AGENT", ""))
        self.looked_up["bot"] = bot
        return bot

    @property
    def is_counted(self) -> bool:
        """Whether it is a click: no HEAD request, and no page that is loaded ahead."""
        return self.own_class is None

    @_once
    def own_class(self) -> TrafficClass | None:
        """The class that the request has by its form alone."""
        get = self._env.get
        return class_of_request(
            get("REQUEST_METHOD", ""), get("HTTP_SEC_PURPOSE") or get("HTTP_PURPOSE") or get("HTTP_X_MOZ") or ""
        )

    @_once
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
        return sub_value(number, self._parameters, self._link.sub_defaults)

    @_once
    def _place(self) -> Place:
        return self._geo.lookup(self._ip)

    @_once
    def _agent(self) -> UserAgent:
        return parse_user_agent(self._env.get("HTTP_USER_AGENT", ""))

    @_once
    def _parameters(self) -> dict[str, str]:
        return parse_bounded(self._env.get("QUERY_STRING", ""))[0]

    def _noted(self, field: str, value: str) -> str:
        self.looked_up[field] = value
        return value
