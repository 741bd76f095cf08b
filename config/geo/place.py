"""What is known about an address, and how it is read from the entries of MaxMind's databases. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

TEXT_CHARACTERS_MAX = 128


class Place(NamedTuple):
    """What is known about an address; empty, or 0, where nothing is.

    `country` is an ISO 3166 code, `region` and `city` are English names, `connection` is such as `Cellular`, and
    `anonymous` one of tor, vpn, residential-proxy, public-proxy, hosting and anonymous.
    """

    country: str = ""
    region: str = ""
    city: str = ""
    asn: int = 0
    isp: str = ""
    connection: str = ""
    anonymous: str = ""


class GeoEvent(StrEnum):
    """What is counted. Add new members at the end: a member's position is its index in the edge's counter files."""

    LOADED = "loaded"
    LOAD_FAILED = "load-failed"
    LOOKUP_FAILED = "lookup-failed"


class Kind(StrEnum):
    """The kinds of databases. A city database has countries too."""

    CITY = "city"
    COUNTRY = "country"
    ISP = "isp"
    ASN = "asn"
    CONNECTION = "connection"
    ANONYMOUS = "anonymous"


# The first word that is in a database's type tells its kind. Those of other makers have the same words and entries:
# `DBIP-City-Lite`, `DBIP-ASN-Lite (compat=GeoLite2-ASN)`.
_KIND_WORDS = (
    ("anonymous", Kind.ANONYMOUS),
    ("connection", Kind.CONNECTION),
    ("enterprise", Kind.CITY),
    ("city", Kind.CITY),
    ("country", Kind.COUNTRY),
    ("isp", Kind.ISP),
    ("asn", Kind.ASN),
)
# The strongest statement comes first.
_ANONYMOUS = (
    ("is_tor_exit_node", "tor"),
    ("is_anonymous_vpn", "vpn"),
    ("is_residential_proxy", "residential-proxy"),
    ("is_public_proxy", "public-proxy"),
    ("is_hosting_provider", "hosting"),
    ("is_anonymous", "anonymous"),
)
_ASN_MAX = 2**32 - 1


def kind_of(database_type: str) -> Kind | None:
    """Return the kind of a database by the type that its metadata names."""
    lowered = database_type.lower()
    return next((kind for word, kind in _KIND_WORDS if word in lowered), None)


def place_of(entries: Mapping[Kind, Mapping[str, Any]]) -> Place:
    """Return what the entries of one address in several databases say. Whatever is not as it should be is unknown."""
    located = entries.get(Kind.CITY, {})
    # MaxMind's Enterprise database has what the others have, in `traits`.
    traits = _mapping(located.get("traits"))
    isp, asn = entries.get(Kind.ISP, traits), entries.get(Kind.ASN, {})
    regions = located.get("subdivisions")
    return Place(
        country=country_of(entries.get(Kind.COUNTRY, {})) or country_of(located),
        region=_name(regions[0]) if isinstance(regions, list) and regions else "",
        city=_name(located.get("city")),
        asn=_number(isp.get("autonomous_system_number")) or _number(asn.get("autonomous_system_number")),
        isp=_text(isp.get("isp"))
        or _text(isp.get("autonomous_system_organization"))
        or _text(asn.get("autonomous_system_organization")),
        connection=_text(entries.get(Kind.CONNECTION, traits).get("connection_type")),
        anonymous=next(
            (word for flag, word in _ANONYMOUS if entries.get(Kind.ANONYMOUS, traits).get(flag) is True), ""
        ),
    )


def country_of(entry: Mapping[str, Any]) -> str:
    """Return the country of an entry: where the address is, else where it is registered."""
    code = _mapping(entry.get("country")).get("iso_code") or _mapping(entry.get("registered_country")).get("iso_code")
    return code if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha() else ""


def _name(value: object) -> str:
    names = _mapping(_mapping(value).get("names"))
    return _text(names.get("en")) or _text(_mapping(value).get("iso_code"))


def _text(value: object) -> str:
    return value.replace("\x00", "\ufffd")[:TEXT_CHARACTERS_MAX] if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if type(value) is int and 0 < value <= _ASN_MAX else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
