"""The columns and macros of other trackers' offers, as their own documentation has them, and what they become here.

An offer of theirs is a link of ours. Sources:

- Voluum, columns: doc.voluum.com, "A CSV Template with Edited Offers" and "A CSV Template with New Offers", which give
  the headings, the semicolon, and the space between tags. Macros: the same pages (`{clickid}`), "Traffic Source
  Postback URL" (`{externalid}`), "Pass Information from a Traffic Source to Voluum" and "Token functions" (`{var1}`).
  The page with all of Voluum's tokens could not be read. By "How Information is Passed" its `{country}` is a name such
  as united_states, so it is not our `{country}`.
- Keitaro, fields: what `GET /offers` of its Admin API answers (admin-api.docs.keitaro.io), as the README of
  github.com/ysomad/keitaro shows it. No page was found that gives the headings of a CSV file. Macros: docs.keitaro.io,
  "Placeholders" and "S2S postback placeholders", and "Offer URL" for `sub_id_1` and the following.
- Binom, fields: `name`, `url` and `payout` of `POST /public/api/v1/offer`, the only ones that were found described. No
  page was found that gives the headings of its CSV file, so the settings must name other columns. Macros:
  docs.binom.org, "Adding an offer" (create-offer.php), and "Adding a traffic source" (create-source-v2.php) for `{t1}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from admin_api.bulk_links.import_settings import Layout
from tracking.clicks import SUB_NAMES

# The target of a column whose value is kept as a line of the notes, so that an offer can be found in the old tracker.
NOTED = "noted"
_ORDER = re.compile(r"^#?\s*[0-9]+\.\s*")
_APOSTROPHES = str.maketrans("\u2018\u2019", "''")


@dataclass(frozen=True, slots=True)
class Columns:
    """How a file of a tracker's offers is read.

    `fields` are the fields of a link by heading, and `left_out` says by heading why a value cannot be imported.
    `macros` are our macros by theirs. `active_words` are the tracker's own words for an active offer, if it has any.
    """

    name: str
    fields: Mapping[str, str]
    left_out: Mapping[str, str] = field(default_factory=dict)
    macros: Mapping[str, str] = field(default_factory=dict)
    tag_separator: str = ","
    active_words: tuple[str, ...] = ()


def heading_key(heading: str) -> str:
    """Return a heading as it is compared: in small letters, without Voluum's `# 1.` and with straight apostrophes."""
    return _ORDER.sub("", heading.translate(_APOSTROPHES)).strip().lower()


_PAYOUT = "say what a source earns in a commission plan, and name it in `defaults` or in a column `plan`"
_COUNTRY = "make a rule of it: a condition on the country"
_CAP = "make a cap of it in the link's rules"

VOLUUM = Columns(
    name="Voluum",
    fields={
        "offer's id": NOTED,
        "offer's name": "name",
        "offer's url": "destination_url",
        "affiliate network id": "merchant",
        "tags": "tags",
    },
    left_out={
        "country code": _COUNTRY,
        "payout": _PAYOUT,
        "conversion cap enabled": _CAP,
        "daily cap": _CAP,
        "conversion cap time zone": _CAP,
        "conversion cap redirect offer id": _CAP,
    },
    macros={
        "clickid": "click_id",
        "externalid": "external_id",
        **{f"var{number}": name for number, name in enumerate(SUB_NAMES, 1)},
    },
    tag_separator=" ",
)
KEITARO = Columns(
    name="Keitaro",
    fields={
        "id": NOTED,
        "name": "name",
        "action_payload": "destination_url",
        "affiliate_network": "merchant",
        "notes": "notes",
        "state": "active",
    },
    left_out={
        "group_id": "give the links a tag instead",
        "affiliate_network_id": "`affiliate_network`, its name, is read; or name this column in `columns.merchant`",
        "action_options": "Waypost has no such setting",
        "payout_value": _PAYOUT,
        "payout_currency": _PAYOUT,
        "payout_type": _PAYOUT,
        "payout_auto": _PAYOUT,
        "payout_upsell": _PAYOUT,
        "country": _COUNTRY,
        "local_path": "Waypost serves no pages",
        "preview_path": "Waypost serves no pages",
        "archive": "Waypost serves no pages",
        "action_type": "Waypost only redirects",
        "created_at": "a link is as old as its import",
        "updated_at": "a link is as old as its import",
    },
    macros={
        "subid": "click_id",
        "external_id": "external_id",
        "ad_campaign_id": "campaign",
        **{f"sub_id_{number}": name for number, name in enumerate(SUB_NAMES, 1)},
        **{name: name for name in ("browser", "city", "cost", "ip", "language", "os", "referrer", "user_agent")},
        "referer": "referrer",
        "ua": "user_agent",
        "useragent": "user_agent",
        # "Leave lang empty to get country code."
        "country": "country",
        "country_code": "country",
        "device_type": "device",
        "keyword": "keyword",
    },
    active_words=("active",),
)
BINOM = Columns(
    name="Binom",
    fields={"id": NOTED, "name": "name", "url": "destination_url"},
    left_out={"payout": _PAYOUT},
    macros={
        "clickid": "click_id",
        "externalid": "external_id",
        "external_id": "external_id",
        **{f"t{number}": name for number, name in enumerate(SUB_NAMES, 1)},
        "trafficsource_name": "source",
        "referer": "referrer",
        "clickcost": "cost",
        "country_code": "country",
        "device_type": "device",
        "browser_name": "browser",
        "os_name": "os",
        **{name: name for name in ("city", "ip", "language", "user_agent")},
    },
)
TRACKERS: Mapping[Layout, Columns] = {Layout.VOLUUM: VOLUUM, Layout.KEITARO: KEITARO, Layout.BINOM: BINOM}
