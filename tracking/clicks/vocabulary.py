"""The names that parameters of a click may have, how long their values may be, and the names of the macros. Pure.

A parameter with another name is stored with the click too, and is a macro by its own name.
"""

from __future__ import annotations

URL_CHARACTERS_MAX = 4096
SUB_COUNT = 10
SUB_NAMES = tuple(f"sub{number}" for number in range(1, SUB_COUNT + 1))

# In each of these lists the first name that a click brings counts.
# Sources: the documented parameter names of Voluum, Keitaro (docs.keitaro.io, "Campaign parameters"), TUNE and Binom
# (docs.binom.org, "Cost per click").
SUB_ALIASES: tuple[tuple[str, ...], ...] = tuple(
    (f"sub{n}", f"sub_id_{n}", f"s{n}", f"t{n}", *(("subid", "aff_sub") if n == 1 else ()))
    for n in range(1, SUB_COUNT + 1)
)
EXTERNAL_ID_NAMES = ("cid", "externalid", "external_id")
CAMPAIGN_NAMES = ("campaign", "utm_campaign", "campaign_id", "ad_campaign_id", "campaignid")
COST_NAMES = ("cost", "bid", "cpc")

# For each accepted name of a sub id, the index of the sub id and the rank of the name; rank 0 is the first choice.
SUB_PLACES = {name: (index, rank) for index, names in enumerate(SUB_ALIASES) for rank, name in enumerate(names)}
# The names from which columns of their own are filled: campaign, external_id and cost.
STATED_NAMES = frozenset((*CAMPAIGN_NAMES, *EXTERNAL_ID_NAMES, *COST_NAMES))

# Ids that advertising platforms add to a click: Google (gclid, wbraid, gbraid, dclid), Meta, Microsoft, TikTok, X,
# LinkedIn, Snapchat, Pinterest, Yandex.
PLATFORM_CLICK_IDS = (
    *("gclid", "wbraid", "gbraid", "dclid", "fbclid", "msclkid", "ttclid"),
    *("twclid", "li_fat_id", "sccid", "epik", "yclid"),
)
UTM_NAMES = tuple(f"utm_{name}" for name in ("source", "medium", "campaign", "term", "content", "id"))

# Longest values, in characters after decoding. A longer value is cut; `clicks.cuts` has its original length.
TEXT_CHARACTERS_MAX = 500
# A click id that was cut would be worth nothing, so there is much room for one.
PLATFORM_CLICK_ID_CHARACTERS_MAX = 1000
_LIMITS = {
    **dict.fromkeys((*SUB_PLACES, *CAMPAIGN_NAMES, *COST_NAMES, *UTM_NAMES, "pa", "pb", "ts"), TEXT_CHARACTERS_MAX),
    **dict.fromkeys((*PLATFORM_CLICK_IDS, *EXTERNAL_ID_NAMES), PLATFORM_CLICK_ID_CHARACTERS_MAX),
}

# Macros whose value is that of the first of several parameters.
PARAMETER_MACROS: dict[str, tuple[str, ...]] = {
    **dict(zip(SUB_NAMES, SUB_ALIASES, strict=True)),
    "campaign": CAMPAIGN_NAMES,
    "external_id": EXTERNAL_ID_NAMES,
    "cost": COST_NAMES,
}
# Macros about the place, the device and the language of a visitor, which the edge looks up only for them.
PLACE_MACROS = ("country", "region", "city")
AGENT_MACROS = ("device", "os", "browser")
# All macros of a destination that Waypost has a value for. Any other name means the click's query parameter.
CLICK_MACROS = frozenset(
    {
        *("click_id", "dyn", "timestamp", "random", "user_agent", "ip", "language", "referrer"),
        *("source", "link_id", "slug"),
        *PLACE_MACROS,
        *AGENT_MACROS,
        *PARAMETER_MACROS,
    }
)


def characters_max(name: str) -> int:
    """Return how many characters of a parameter's value are used. A parameter without a limit of its own may hold any
    URL that a link can lead to.
    """
    return _LIMITS.get(name, URL_CHARACTERS_MAX)
