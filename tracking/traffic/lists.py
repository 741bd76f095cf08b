"""The lists of traffic: whose networks are data centres, and which agents are bots or are not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from tracking.traffic.bots import is_declared_bot, patterns_version
from tracking.traffic.classes import TrafficClass, class_of_request

Network = IPv4Network | IPv6Network
# What is stored of a truncated address: its first bits. See tracking.privacy.
_KEPT_BITS = {4: 24, 6: 48}
_HOSTING = "hosting"


class TrafficLists:
    """The operator's lists on top of the built-in ones. `networks` are in CIDR form.

    Parts of agents are compared without regard to case. An agent with one of `exempt_agents` in it is no bot, whatever
    else is in it. `revision` is that of the operator's lists; 0 means that there are none.
    """

    def __init__(
        self,
        networks: Sequence[str] = (),
        asns: Sequence[int] = (),
        bot_agents: Sequence[str] = (),
        exempt_agents: Sequence[str] = (),
        revision: int = 0,
    ) -> None:
        # By version and length: an address is looked for once for each length that occurs.
        self._networks: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for text in networks:
            network = ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            self._networks[network.version].setdefault(shift, set()).add(int(network.network_address) >> shift)
        self._asns = frozenset(asns)
        self._bots = tuple(part.lower() for part in bot_agents if part)
        self._exempt = tuple(part.lower() for part in exempt_agents if part)
        self.revision = revision
        self.version = f"{revision}-{patterns_version()}"

    def is_bot(self, user_agent: str) -> bool:
        """Return whether an agent, as it arrived, declares a bot. Not remembered."""
        if self._bots or self._exempt:
            lowered = user_agent.lower()
            if any(part in lowered for part in self._exempt):
                return False
            if any(part in lowered for part in self._bots):
                return True
        return is_declared_bot(user_agent)

    def is_datacenter(self, address: str, asn: int, anonymous: str) -> bool:
        """Return whether a whole address is a data centre's: by the lists, or by the database of anonymous addresses.

        People come through networks of VPNs and proxies, so those are none. Not remembered.
        """
        return anonymous == _HOSTING or asn in self._asns or self._is_listed(address)

    def was_datacenter(self, stored: str | None, asn: int, anonymous: str, before: bool) -> bool:
        """Return the same of an address as it is stored, which may be truncated or None; else what it was `before`."""
        if anonymous == _HOSTING or asn in self._asns:
            return True
        if stored is None:
            return before and any(self._networks.values())
        address = ip_address(stored)
        dropped = address.max_prefixlen - _KEPT_BITS[address.version]
        number = int(address)
        if number & ((1 << dropped) - 1):
            return self._is_listed(stored)
        # It may be truncated, and a network of the list may be a part of what is left.
        networks = self._networks[address.version]
        if any(number >> shift in networks[shift] for shift in networks if shift >= dropped):
            return True
        return before and any(
            number >> dropped == network >> (dropped - shift)
            for shift in networks
            if shift < dropped
            for network in networks[shift]
        )

    def class_of(self, method: str, purpose: str, user_agent: str) -> TrafficClass:
        """Return the class of a request without regard to its address."""
        return class_of_facts(method, purpose, self.is_bot(user_agent), False)

    def _is_listed(self, text: str) -> bool:
        if not any(self._networks.values()):
            return False
        try:
            address = ip_address(text)
        except ValueError:
            return False
        number = int(address)
        return any(number >> shift in networks for shift, networks in self._networks[address.version].items())


def class_of_facts(method: str, purpose: str, bot: bool, datacenter: bool) -> TrafficClass:
    """Return the class that a request has by itself, before it is compared with others."""
    own = class_of_request(method, purpose)
    if own is not None:
        return own
    if bot:
        return TrafficClass.BOT
    return TrafficClass.DATACENTER if datacenter else TrafficClass.VALID
