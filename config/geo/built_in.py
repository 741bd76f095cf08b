"""The country of an address without a file of the operator's: the registries' allocations, in the package iptocc.

PERF: a lookup takes 0.2 microseconds. The table is in the package's library, which all processes map, so it costs a
process next to no memory of its own (docs/adr/0009-built-in-countries.md).
"""

from __future__ import annotations

import iptocc

# What the registries give to no country.
_NO_COUNTRIES = frozenset({"EU", "AP", "ZZ"})
_MAPPED = "::ffff:"


def built_in_country(address: str) -> str:
    """Return the ISO 3166 code of the country that an address was given to, an empty string if there is none."""
    if address.startswith(_MAPPED) and "." in address:
        address = address.removeprefix(_MAPPED)
    try:
        code = iptocc.country_code(address)
    except ValueError:
        # A text with a lone surrogate.
        return ""
    return "" if code is None or code in _NO_COUNTRIES else code
