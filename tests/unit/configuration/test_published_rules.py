"""Rules as they are published: what was written into the database past the API stops no link and misleads nobody."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import pytest

from admin_api.configuration.compilation import compile_link, compile_rotation_row
from config.configuration import PublishedLink, decode_link
from hostile_urls import HOSTILE_TEMPLATES, HOSTILE_URLS
from tracking.clicks import SUB_NAMES
from tracking.routing import decode_plan

BASE: dict[str, Any] = {
    "link_id": 1,
    "profile_id": 1,
    "slug": "a",
    "active": True,
    "destination_url": "https://m.example/",
    "source": "news",
    "prefix": "NL",
    "revision": 6,
    **dict.fromkeys(SUB_NAMES),
}
GOOD = {"destination_id": 10, "url": "https://m.example/{dyn}"}


def published(routing: Any) -> PublishedLink:
    value = compile_link(BASE | {"routing": routing})[1]
    assert value is not None
    return decode_link(value)


def ruled(*destinations: Any, **fields: Any) -> dict[str, Any]:
    return {"rules": [{"rule_id": 1, "destinations": list(destinations), **fields}]}


def test_a_link_is_published_with_its_revision_and_the_prefix_of_its_source() -> None:
    link = published(ruled(GOOD))
    assert link.plan is not None
    assert (link.plan[0], link.plan[5]) == (6, "NL")
    assert link.plan[1][0][3][0][2] == ["https://m.example/", "dyn:NL", ""]


def test_a_link_without_rules_is_published_as_it_was_before_there_were_rules() -> None:
    value = compile_link(BASE | {"routing": None, "source": None})[1]
    assert value == b'[1,["https://m.example/"]]'


@pytest.mark.parametrize("url", [*HOSTILE_URLS, *HOSTILE_TEMPLATES])
def test_a_hostile_url_anywhere_in_a_document_takes_the_rules_away_and_not_the_link(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    documents = [
        ruled({"destination_id": 10, "url": url}),
        ruled(GOOD, overflow_url=url),
        {"countries": {"DE": url}},
        {"overflow_url": url},
    ]
    with caplog.at_level(logging.ERROR):
        for document in documents:
            link = published(document)
            assert (link.plan, link.parts) == ([], ["https://m.example/"])
    assert "link 1 is served without its rules" in caplog.text


@pytest.mark.parametrize(
    "document",
    [
        *([], 7, "x", {"rules": 7}, {"rules": [7]}, {"rules": [{}]}, {"countries": []}, {"caps": [{}]}),
        *(ruled({}), ruled({"destination_id": 1}), ruled({"url": "https://m.example/"}), ruled(GOOD, conditions=[{}])),
        ruled(GOOD, conditions=[{"field": "shoe-size", "values": None}]),
        ruled(GOOD | {"weight": "heavy"}),
        ruled(GOOD, conditions=[{"field": "country", "values": [7]}]),
    ],
    ids=str,
)
def test_a_document_of_another_shape_takes_the_rules_away_and_not_the_link(document: Any) -> None:
    assert published(document).plan == []
    with pytest.raises(ValueError, match="not enough values"):
        decode_plan([], [None] * 10)


@pytest.mark.parametrize("destinations", [[{}], 7, [GOOD | {"url": "javascript:alert(1)"}], None])
def test_a_rotation_that_cannot_be_read_is_not_served(destinations: Any) -> None:
    row = {"rotation_id": 3, "destinations": destinations, "assignment": "sticky", "revision": 2}
    assert compile_rotation_row(row) == ("r:3", None)


def test_a_rotation_is_published_with_its_revision() -> None:
    key, value = compile_rotation_row({"rotation_id": 3, "destinations": [GOOD], "assignment": "random", "revision": 2})
    assert value is not None
    assert (key, orjson.loads(value)) == ("r:3", [2, [[10, 1, ["https://m.example/", "dyn", ""], []]], False])
