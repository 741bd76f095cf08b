"""`python -m loadtests.countries`: compares packages that tell the country of an address, those that are installed.

iptocc is always there; `pip install ip3country ip-to-country plevin plevin-db-country geoip2fast` brings the others.
Each is measured in a process of its own. Agreement is with geoip2fast, whose table is MaxMind's, on random addresses;
the last column has addresses whose country is known.
"""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

Lookup = Callable[[str], str]
PACKAGES = ("iptocc", "ip_to_country", "ip3country", "plevin", "geoip2fast")
REFERENCE = "geoip2fast"
# Registries' and operators' own addresses; the last ones are of American clouds in Europe.
KNOWN = {
    "8.8.8.8": "US",
    "77.109.141.138": "CH",
    "193.0.6.139": "NL",
    "133.11.0.1": "JP",
    "200.160.2.3": "BR",
    "196.216.2.2": "ZA",
    "202.12.29.205": "AU",
    "2001:67c:2e8:22::c100:68b": "NL",
    "5.9.0.1": "DE",
    "62.210.0.1": "FR",
    "91.198.174.192": "NL",
    "49.44.0.1": "IN",
    "114.114.114.114": "CN",
    "168.126.63.1": "KR",
    "77.88.8.8": "RU",
    "2a01:e0a::1": "FR",
    "2405:200::1": "IN",
    "151.1.1.1": "IT",
    "130.89.1.1": "NL",
    "18.195.0.1": "DE",
    "35.156.0.1": "DE",
    "13.36.0.1": "FR",
    "34.107.0.1": "DE",
    "20.50.0.1": "NL",
}
_IPV4, _IPV6 = 20_000, 2_000
_SEED = 1
_IPV6_BLOCKS = (0x2001, 0x2400, 0x2600, 0x2A00, 0x2A02, 0x2800, 0x2C0F)


def main(arguments: list[str]) -> int:
    """Print the comparison; with the name of a package, measure that one and print what it said as JSON."""
    if arguments:
        sys.stdout.write(orjson.dumps(measure(arguments[0])).decode())
        return 0
    found = {}
    for name in PACKAGES:
        if importlib.util.find_spec(name) is not None:
            command = [sys.executable, "-m", "loadtests.countries", name]
            found[name] = orjson.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    Console().print(table_of(found))
    return 0


def measure(name: str) -> dict[str, Any]:
    """Return the figures of one package and all of its answers."""
    before = _memory_kb()
    began = perf_counter()
    lookup = _opened(name)
    lookup("8.8.8.8")
    start_ms = (perf_counter() - began) * 1e3
    figures: dict[str, Any] = {"start_ms": start_ms}
    for kind, addresses in (("ipv4", ipv4_addresses()), ("ipv6", ipv6_addresses())):
        began = perf_counter()
        figures[kind] = [lookup(address) for address in addresses]
        figures[f"{kind}_us"] = (perf_counter() - began) / len(addresses) * 1e6
    return figures | {"memory_mb": (_memory_kb() - before) / 1024, "known": [lookup(address) for address in KNOWN]}


def table_of(found: dict[str, dict[str, Any]]) -> Table:
    """Return the table of what was measured. Agreement counts the addresses that both packages know."""
    table = Table("package", "start ms", "memory MB", "us IPv4", "us IPv6", "IPv4", "IPv6", f"of {len(KNOWN)} known")
    reference = found.get(REFERENCE)
    for name, each in found.items():
        agreements = [
            "-" if reference is None else _agreement(each[kind], reference[kind]) for kind in ("ipv4", "ipv6")
        ]
        right = sum(said == known for said, known in zip(each["known"], KNOWN.values(), strict=True))
        numbers = [each["start_ms"], each["memory_mb"], each["ipv4_us"], each["ipv6_us"]]
        table.add_row(name, *(f"{number:,.1f}" for number in numbers), *agreements, str(right))
    return table


def ipv4_addresses() -> list[str]:
    """Return random addresses, the same every time."""
    chosen = random.Random(_SEED)
    return [".".join(map(str, (chosen.randint(1, 223), *chosen.choices(range(256), k=3)))) for _ in range(_IPV4)]


def ipv6_addresses() -> list[str]:
    """Return random addresses of blocks that the registries give out, the same every time."""
    chosen = random.Random(_SEED)
    return [
        f"{chosen.choice(_IPV6_BLOCKS):x}:{chosen.randint(0, 0x1000):x}:{chosen.randint(0, 0xFFFF):x}::1"
        for _ in range(_IPV6)
    ]


def _agreement(said: list[str], reference: list[str]) -> str:
    both = [(one, other) for one, other in zip(said, reference, strict=True) if one and other]
    return f"{sum(one == other for one, other in both) / len(both):.1%}" if both else "none"


def _opened(name: str) -> Lookup:
    """Return the lookup of a package, empty where it knows nothing."""
    package: Any = importlib.import_module(name)
    match name:
        case "iptocc":
            find = package.country_code
        case "ip3country":
            find = package.CountryLookup().lookupStr
        case "ip_to_country":
            table = package.IpToCountry()

            def find(address: str) -> str | None:
                return (table.ip_to_country(address) or {}).get("country_code")
        case "plevin":

            def find(address: str) -> str | None:
                found = package.lookup(address)
                return found.place.country.code if found and found.place else None
        case _:
            known = package.GeoIP2Fast(geoip2fast_data_file="geoip2fast-ipv6.dat.gz")

            def find(address: str) -> str | None:
                return str(known.lookup(address).country_code)

    def lookup(address: str) -> str:
        try:
            said = find(address)
        except Exception:  # noqa: BLE001 - whatever a package raises, it does not know the address
            return ""
        return said if said and said.isalpha() else ""

    return lookup


def _memory_kb() -> int:
    with open("/proc/self/smaps_rollup") as file:  # noqa: PTH123
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
