"""Destinations: what is refused when a link is saved, and what no visitor can make of one afterwards."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile_urls import HOSTILE_TEMPLATES, HOSTILE_URLS
from tracking.clicks import (
    Expansion,
    TemplateParts,
    check_domain,
    check_url,
    compile_template,
    expand,
    with_source_prefix,
)
from tracking.runtime import FieldError


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_hostile_destination_is_refused_with_the_field_named(url: str) -> None:
    for check in (check_url, compile_template):
        with pytest.raises(FieldError) as refusal:
            check(url, "destination_url")
        assert refusal.value.field == "destination_url"


@pytest.mark.parametrize("template", HOSTILE_TEMPLATES)
def test_macro_in_the_wrong_place_or_form_is_refused(template: str) -> None:
    with pytest.raises(FieldError):
        compile_template(template, "destination_url")


def test_the_table_of_hostile_destinations_is_long_enough() -> None:
    assert len(set(HOSTILE_URLS)) >= 40


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.COM/Path?Q=1#Frag", "https://example.com/Path?Q=1#Frag"),
        ("http://example.com:8080/?a=b&c=%20d", "http://example.com:8080/?a=b&c=%20d"),
        ("https://b\u00fccher.example/\u00fc?\u00e4=\u00f6", "https://xn--bcher-kva.example/%C3%BC?%C3%A4=%C3%B6"),
        ("https://127.0.0.1:9000/", "https://127.0.0.1:9000/"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("https://example.com/a'b\"c<d>", "https://example.com/a'b%22c%3Cd%3E"),
        ("https://example.com/?u=https://other.example/@x", "https://example.com/?u=https://other.example/@x"),
    ],
)
def test_good_url_is_kept_in_ascii(url: str, kept: str) -> None:
    assert check_url(url, "u") == kept
    assert check_url(kept, "u") == kept


def test_a_url_without_macros_is_one_literal() -> None:
    assert compile_template("https://example.com/?a=1", "u") == ("https://example.com/?a=1",)


def test_a_template_alternates_literals_and_names() -> None:
    parts = compile_template("https://m.example/{slug}?c={click_id}#{x-y.z}", "u")
    assert parts == ("https://m.example/", "slug", "?c=", "click_id", "#", "x-y.z", "")


def test_a_url_that_contains_the_placeholder_is_compiled_right() -> None:
    parts = compile_template("https://m.example/wpmacro/wpmacrox?c={click_id}", "u")
    assert parts == ("https://m.example/wpmacro/wpmacrox?c=", "click_id", "")
    assert compile_template("https://WPMacro.example/?c={x}", "u") == ("https://wpmacro.example/?c=", "x", "")


def filled(parts: TemplateParts, value: str) -> str:
    """Return the URL with the same value for every macro."""
    expansion = Expansion(list(parts), (), (), tuple((place, parts[place]) for place in range(1, len(parts), 2)))
    return expand(expansion, "", "", lambda name: value)


@given(value=st.text(max_size=200))
def test_no_value_leaves_its_place(value: str) -> None:
    parts = compile_template("https://m.example/{a}?b={b}#{c}", "u")
    location = filled(parts, value)
    assert location.isascii()
    assert not any(character in location for character in "\r\n\t \x00\"'<>\\`")
    split = urlsplit(location)
    assert (split.scheme, split.netloc) == ("https", "m.example")
    seen = value.encode("utf-8", "replace").decode()
    assert unquote(split.query.removeprefix("b=")) == unquote(split.path[1:]) == unquote(split.fragment) == seen


@given(url=st.text(max_size=80) | st.text(max_size=60).map(lambda rest: f"https://example.com/{rest}"))
def test_whatever_is_saved_is_an_absolute_http_url_in_ascii(url: str) -> None:
    try:
        parts = compile_template(url, "u")
    except FieldError:
        return
    location = filled(parts, "v")
    assert location.isascii()
    assert location.isprintable()
    assert " " not in location
    assert urlsplit(location).scheme in ("http", "https")
    assert urlsplit(location).hostname


@pytest.mark.parametrize(
    ("domain", "kept"),
    [
        ("Track.Example.COM", "track.example.com"),
        ("track.example.com.", "track.example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("track.localhost", "track.localhost"),
        (" track.example.com ", "track.example.com"),
    ],
)
def test_domain_is_kept_as_browsers_send_it(domain: str, kept: str) -> None:
    assert check_domain(domain, "domain") == kept


@pytest.mark.parametrize(
    "domain",
    [
        "",
        ".",
        "https://example.com",
        "example.com/",
        "example.com:80",
        "a b.example",
        "a@b.example",
        "*.example.com",
        "-a.example",
    ],
)
def test_what_is_no_bare_host_name_is_refused(domain: str) -> None:
    with pytest.raises(FieldError) as refusal:
        check_domain(domain, "domain")
    assert refusal.value.field == "domain"


def test_the_dynamic_variable_is_served_with_its_prefix_and_nobody_can_write_that_form() -> None:
    parts = compile_template("https://m.example/dyn?afp={dyn}&dyn={click_id}&d={dyn}", "destination_url")
    assert with_source_prefix(parts, "NL") == [
        "https://m.example/dyn?afp=",
        "dyn:NL",
        "&dyn=",
        "click_id",
        "&d=",
        "dyn:NL",
        "",
    ]
    for hostile in ("https://m.example/?a={dyn:NL}", "https://{dyn}.example/"):
        with pytest.raises(FieldError):
            compile_template(hostile, "destination_url")
