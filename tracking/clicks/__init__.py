"""Click ids, the parameters of a click, and destination templates with their macros and their expansion. Pure."""

from __future__ import annotations

from tracking.clicks.click_id import (
    GENERATION_COUNT,
    KEY_BYTES_MIN,
    NODE_MAX,
    SLOT_MAX,
    ClickIdMint,
    ProcessIdentity,
    are_genuine,
    click_id_bytes,
    clicked_at,
    first_click_id,
    parse_click_id,
)
from tracking.clicks.dyn import DEFAULT_PREFIX, encode_dyn, parse_dyn
from tracking.clicks.expansion import Expansion, expand, prepare_expansion
from tracking.clicks.parameters import EXTERNAL_ID_NAMES, PARAMETERS_MAX, SUB_PLACES, parse_query, sub_values
from tracking.clicks.template import (
    DYN_PREFIX,
    SUB_COUNT,
    SUB_NAMES,
    URL_CHARACTERS_MAX,
    TemplateParts,
    check_domain,
    check_url,
    compile_template,
    with_source_prefix,
)

__all__ = [
    "DEFAULT_PREFIX",
    "DYN_PREFIX",
    "EXTERNAL_ID_NAMES",
    "GENERATION_COUNT",
    "KEY_BYTES_MIN",
    "NODE_MAX",
    "PARAMETERS_MAX",
    "SLOT_MAX",
    "SUB_COUNT",
    "SUB_NAMES",
    "SUB_PLACES",
    "URL_CHARACTERS_MAX",
    "ClickIdMint",
    "Expansion",
    "ProcessIdentity",
    "TemplateParts",
    "are_genuine",
    "check_domain",
    "check_url",
    "click_id_bytes",
    "clicked_at",
    "compile_template",
    "encode_dyn",
    "expand",
    "first_click_id",
    "parse_click_id",
    "parse_dyn",
    "parse_query",
    "prepare_expansion",
    "sub_values",
    "with_source_prefix",
]
