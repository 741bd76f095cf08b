"""The settings of outgoing requests. The worker makes these requests, and the admin API checks their URLs."""

from __future__ import annotations

from dataclasses import dataclass

from config.settings.environment import EnvironmentReader
from config.settings.errors import SettingError
from tracking.outgoing import Network, parse_networks


@dataclass(frozen=True, slots=True)
class OutgoingSettings:
    """How partners are called. `concurrency` limits one deliveries process, `partner_concurrency` one origin in it."""

    allowed_networks: tuple[Network, ...] = ()
    connect_timeout_s: int = 5
    timeout_s: int = 15
    concurrency: int = 64
    partner_concurrency: int = 8


def outgoing_settings(read: EnvironmentReader) -> OutgoingSettings:
    """Return the settings of an environment, or raise SettingError."""
    return OutgoingSettings(
        _networks("OUTGOING_ALLOWED_NETWORKS", read),
        read.number("OUTGOING_CONNECT_TIMEOUT_S", 1, 30),
        # The longest attempt must be shorter than tracking.outgoing.deliveries.LEASE_S.
        read.number("OUTGOING_TIMEOUT_S", 1, 60),
        read.number("DELIVERY_CONCURRENCY", 1, 1000),
        read.number("DELIVERY_PARTNER_CONCURRENCY", 1, 1000),
    )


def _networks(name: str, read: EnvironmentReader) -> tuple[Network, ...]:
    try:
        return parse_networks(read.text(name))
    except ValueError as error:
        raise SettingError(
            f"{name} must be networks such as 10.0.0.0/8, separated by commas: {error}", field=name
        ) from error
