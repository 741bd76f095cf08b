"""What is known of the visitors of clicks beyond their requests: where they are, what they use, and their number.

Everything is remembered as COPY's text format has it: a batch has far fewer user agents and addresses than clicks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from config.geo import GeoDatabases, Place
from tracking.traffic import TrafficLists
from tracking.visitors import (
    HEADER_CHARACTERS_MAX,
    VisitorKey,
    accepted_language,
    address_number,
    agent_number,
    is_local,
    parse_user_agent,
    referrer_host,
)
from worker.clicks.copy_text import NULL, field
from worker.clicks.kept_addresses import Storages
from worker.spool import canonical_ip, check_ip

# PERF: a fact that is remembered takes 0.05 microseconds. All of them together take about 30 MB.
REMEMBERED = 16_384
V = TypeVar("V")
_NOWHERE = Place()


class AddressFacts(NamedTuple):
    """An address and the columns PLACE and `anonymous` as COPY has them, the place itself, the lowest number of its
    visitors (None without an address), and whether it is a data centre's.
    """

    ip: str
    columns: str
    place: Place
    number: int | None
    datacenter: bool


class AgentFacts(NamedTuple):
    """The columns DEVICE of a user agent as COPY has them, what it adds to the number of its address, and whether it
    declares a bot.
    """

    columns: str
    number: int
    bot: bool


class Remembered(dict[str, V], Generic[V]):
    """A dictionary that makes what it does not have, and begins anew when it is full.

    SECURITY: what has an unusual length is made each time, so that nobody can fill the memory with 64 KB a fact.
    """

    def __init__(self, make: Callable[[str], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, raw: str) -> V:
        made = self._make(raw)
        if len(raw) <= HEADER_CHARACTERS_MAX:
            if len(self) >= REMEMBERED:
                self.clear()
            self[raw] = made
        return made


class Visitors:
    """The facts by what the record has: address, user agent, Accept-Language and Referer. A bad address is poison.

    `languages` and `referrers` give the columns `language` and `referrer_host` as COPY has them.
    """

    def __init__(self, geo: GeoDatabases, key: VisitorKey) -> None:
        self.lists = TrafficLists()
        self._geo = geo
        self._key = key
        self._generation = geo.generation
        # How each profile stores addresses. None: whole.
        self.storages: Storages | None = None
        self.addresses = Remembered(self._address_facts)
        self.agents = Remembered(self._agent_facts)
        self.languages = Remembered(lambda header: field(accepted_language(header)))
        self.referrers = Remembered(lambda header: field(referrer_host(header)))

    def renew(self, storages: Storages | None = None, lists: TrafficLists | None = None) -> None:
        """Forget what older databases and lists said, before each batch. `storages` says how to store addresses."""
        self.storages = storages
        if lists is not None and lists.version != self.lists.version:
            self.lists = lists
            self.addresses.clear()
            self.agents.clear()
        generation = self._geo.generation
        if generation != self._generation:
            self._generation = generation
            self.addresses.clear()

    def _address_facts(self, raw: str) -> AddressFacts:
        address = check_ip(raw)
        if address is None:
            return AddressFacts(NULL, _place_columns(_NOWHERE), _NOWHERE, None, False)
        address = canonical_ip(address)
        place = self._geo.lookup(address)
        datacenter = self.lists.is_datacenter(address, place.asn, place.anonymous)
        # Behind a proxy that TRUSTED_PROXIES does not name, all visitors have the proxy's address. They would be one
        # visitor, whose clicks are duplicates and too many.
        number = None if is_local(address) else address_number(address, self._key)
        return AddressFacts(address, _place_columns(place), place, number, datacenter)

    def _agent_facts(self, raw: str) -> AgentFacts:
        columns = "\t".join(map(field, parse_user_agent(raw)))
        return AgentFacts(columns, agent_number(raw, self._key), self.lists.is_bot(raw))


@lru_cache(maxsize=4096)
def _place_columns(place: Place) -> str:
    country, region, city, asn, isp, connection, anonymous = place
    return "\t".join(
        (
            *(field(country), field(region), field(city), str(asn) if asn else NULL),
            *(field(isp), field(connection), field(anonymous)),
        )
    )


def visitor_text(address: AddressFacts, agent: AgentFacts) -> str:
    """Return the column `visitor` as COPY has it."""
    return NULL if address.number is None else str(address.number + agent.number)
