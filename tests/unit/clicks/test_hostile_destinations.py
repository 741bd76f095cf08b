"""Destinations again at run time: what was written into the database past the API is not served to any visitor."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from admin_api.configuration.compilation import compile_link, compile_profile
from config.configuration import PublishedProfile, decode_profile
from hostile_urls import HOSTILE_TEMPLATES, HOSTILE_URLS
from tracking.clicks import SUB_NAMES


def link_row(destination_url: str) -> dict[str, Any]:
    return {
        "link_id": 1,
        "profile_id": 1,
        "slug": "a",
        "active": True,
        "destination_url": destination_url,
        "source": None,
        **dict.fromkeys(SUB_NAMES),
    }


def served_profile(**columns: Any) -> PublishedProfile:
    row = {
        "profile_id": 1,
        "name": "p",
        "domain": "track.example.com",
        "active": True,
        "redirect_type": "302",
        "fallback_url": None,
        "pixels": [],
        "pixel_timeout_ms": 300,
        "redirect_hosts": [],
        "next_hop_parameter": None,
        "next_hop_secrets": [],
        **columns,
    }
    value = compile_profile(row)[1]
    assert value is not None
    return decode_profile(value)


@pytest.mark.parametrize("url", [*HOSTILE_URLS, *HOSTILE_TEMPLATES])
def test_a_link_with_a_hostile_destination_is_not_served(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert compile_link(link_row(url))[1] is None
    assert "link 1 is not served" in caplog.text


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_hostile_fallback_or_pixel_is_not_served(url: str, caplog: pytest.LogCaptureFixture) -> None:
    good = "https://good.example/"
    with caplog.at_level(logging.ERROR):
        served = served_profile(fallback_url=url, pixels=[url, good])
    assert (served.fallback_url, served.pixels) == (None, [good])


def test_good_urls_are_served_as_they_are() -> None:
    good = "https://good.example/x?y=1"
    served = served_profile(fallback_url=good, pixels=[good])
    assert (served.fallback_url, served.pixels) == (good, [good])
