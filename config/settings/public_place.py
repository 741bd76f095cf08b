"""Where tracking domains are to point: the name and the addresses under which the operator's proxies are reached."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from config.settings.environment import EnvironmentReader
from config.settings.errors import SettingError
from tracking.clicks import check_domain
from tracking.runtime import FieldError


@dataclass(frozen=True, slots=True)
class PublicPlace:
    """A host name, blank if there is none, and addresses in their canonical form."""

    name: str = ""
    addresses: tuple[str, ...] = ()


def public_place(read: EnvironmentReader) -> PublicPlace:
    """Return what PUBLIC_NAME and PUBLIC_ADDRESSES say, or raise SettingError."""
    name, texts = read.text("PUBLIC_NAME"), read.text("PUBLIC_ADDRESSES").split(",")
    try:
        addresses = tuple(str(ip_address(text.strip())) for text in texts if text.strip())
    except ValueError as error:
        raise SettingError(
            f"PUBLIC_ADDRESSES must be addresses separated by commas: {error}", field="PUBLIC_ADDRESSES"
        ) from error
    try:
        return PublicPlace(check_domain(name, "PUBLIC_NAME") if name else "", addresses)
    except FieldError as error:
        raise SettingError(error.message, field="PUBLIC_NAME") from error
