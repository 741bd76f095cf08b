"""Parses a postback request: its parameters, its click and its fields; and says how to correct a bad one. Pure."""

from __future__ import annotations

from tracking.postbacks.click_reference import CORRECTION_CHARACTERS_MAX
from tracking.postbacks.fixes import fix_of
from tracking.postbacks.parameters import PostbackError
from tracking.postbacks.parsing import (
    MAPPING_NAMES,
    ORDER_ID_CHARACTERS_MAX,
    AccountRules,
    account_rules,
    parse_fields,
    parse_parameters,
)
from tracking.postbacks.platforms import PLATFORMS, link_parameter
from tracking.postbacks.vocabulary import EVENT_OF_STATUS_WORD, EVENT_WORDS, PARAMETER_NAMES, STATUS_WORDS

__all__ = [
    "CORRECTION_CHARACTERS_MAX",
    "EVENT_OF_STATUS_WORD",
    "EVENT_WORDS",
    "MAPPING_NAMES",
    "ORDER_ID_CHARACTERS_MAX",
    "PARAMETER_NAMES",
    "PLATFORMS",
    "STATUS_WORDS",
    "AccountRules",
    "PostbackError",
    "account_rules",
    "fix_of",
    "link_parameter",
    "parse_fields",
    "parse_parameters",
]
