"""What each field of each configured object accepts: hostile and merely wrong values are refused and named."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.configuration import LINKS, MERCHANTS, PROFILES, SOURCES
from admin_api.configuration.links import SLUG_ALPHABET, SLUG_CHARACTERS, mint_slug
from admin_api.http import ID_MAX, Body, InvalidFieldsError, decode_json
from admin_api.resources import Resource

VALID: dict[str, dict[str, Any]] = {
    "profiles": {"name": "P", "domain": "track.example.com"},
    "merchants": {"name": "M"},
    "sources": {"name": "S"},
    "links": {"merchant_id": 1, "destination_url": "https://m.example/?c={click_id}"},
}
RESOURCES: dict[str, Resource] = {resource.plural: resource for resource in (PROFILES, MERCHANTS, SOURCES, LINKS)}
WRONG_TEXT: list[Any] = [None, 1, 1.5, True, [], {}, ["x"], "a\x00b", "\x00", "a\nb", "a\tb", "\x7f"]
WRONG_FLAG: list[Any] = [None, 0, 1, "true", "", [], 1.0]
WRONG_ID: list[Any] = [0, -1, True, False, "1", 1.0, [], ID_MAX + 1, 10**30]
HOSTILE_URLS: list[Any] = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://m.example/",
    "//m.example/",
    "/path",
    "m.example",
    "",
    " https://m.example/",
    "https://m.example/ x",
    "https://",
    "https:///x",
    "https:m.example",
    "https:/m.example",
    "https:\\\\m.example",
    "https://m.example\\@evil.example/",
    "https://user@m.example/",
    "https://user:pw@m.example/",
    "https://m.example:99999/",
    "https://m.example:x/",
    "https://[::1/",
    "https://exa mple/",
    "https://m.example/\r\nSet-Cookie: x",
    "https://m.example/\x00",
    "https://m.example/\u2028",
    "https://-/",
    "https://" + "a" * 300 + "/",
    "https://m.example/" + "a" * 5000,
]
HOSTILE_TEMPLATES: list[Any] = [
    "https://{sub1}/",
    "https://{sub1}.m.example/",
    "https://m.example{sub1}/",
    "{sub1}",
    "{scheme}://m.example/",
    "https://m.example/?c={",
    "https://m.example/?c=}",
    "https://m.example/?c={}",
    "https://m.example/?c={{click_id}}",
    "https://m.example/?c={click id}",
    "https://m.example/?c={1}",
    "https://m.example/?c={sub1:raw}",
    "https://m.example/?c={__class__.x!r}",
    "https://m.example/?c={" + "a" * 65 + "}",
    "https://m.example/?c={url:raw}",
]

REFUSED: list[tuple[str, str, Any]] = [
    *[(plural, "name", value) for plural in ("profiles", "merchants", "sources") for value in WRONG_TEXT],
    *[(plural, "name", value) for plural in VALID for value in ("", "   ", "x" * 201)],
    *[("links", "name", value) for value in WRONG_TEXT if value is not None],
    *[("profiles", "domain", value) for value in WRONG_TEXT],
    *[
        ("profiles", "domain", value)
        for value in (
            "",
            ".",
            "https://x.example",
            "x.example/path",
            "x.example:80",
            "user@x.example",
            "x y.example",
            "x..example",
            "-x.example",
            "a" * 64 + ".example",
            ("a" * 60 + ".") * 5,
            "x.example\x00",
            "*.example",
            "x'.example",
            "\u202e.example",
        )
    ],
    *[("profiles", "redirect_type", value) for value in (None, 302, "303", "", "JS", ["302"], {}, True)],
    *[("profiles", "click_expiry_days", value) for value in (None, 0, -1, 3651, 1.0, "30", True, [], 10**30)],
    *[("profiles", "active", value) for value in WRONG_FLAG],
    *[("profiles", "fallback_url", value) for value in (*HOSTILE_URLS, "https://m.example/?c={click_id}", 1, True)],
    *[("profiles", "pixels", value) for value in (None, "https://p.example/", {}, [1], ["x"], [None], [[]])],
    ("profiles", "pixels", ["https://p.example/"] * 21),
    *[("profiles", "pixel_timeout_ms", value) for value in (None, -1, 10_001, True, "300", 0.5)],
    *[("merchants", "click_parameter", value) for value in ("", "a b", "a=b", "a&b", "x" * 65, 1, "\x00", "é")],
    *[("merchants", "postback_auth", value) for value in (None, "HMAC", "", True, "None")],
    *[
        ("merchants", field, value)
        for field in ("parameter_names", "event_words", "status_words")
        for value in (None, [], "x", 1, True, {"": "ftd"}, {"a\x00": "ftd"}, {"x" * 65: "ftd"}, {"a": None}, {"a": 1})
    ],
    *[
        ("merchants", "parameter_names", value)
        for value in (
            {"amount": ["x"]},
            {"click_id": "x"},
            {"click_id": []},
            {"click_id": [1]},
            {"click_id": [" "]},
            {"click_id": ["x"] * 11},
            {"click_id": ["x", "x"]},
            {"click_id": ["x"], "order_id": ["x"]},
            {"click_id": ["token"]},
        )
    ],
    *[("merchants", "event_words", value) for value in ({"a": "FTD"}, {"a": "f t d"}, {"a": "ftd", "A": "deposit"})],
    ("merchants", "event_words", {f"w{number}": "ftd" for number in range(201)}),
    *[("merchants", "status_words", value) for value in ({"a": "paid"}, {"a": "Approved"}, {"a": ["approved"]})],
    *[("merchants", "default_event", value) for value in ("", "FTD", "1st", "x" * 41, 1, "a b", "a\n")],
    *[("merchants", "decimal_separator", value) for value in ("", ";", ".,", 1, " ")],
    *[("merchants", "platform", value) for value in ("", "other", "Cellxpert", 1)],
    *[
        ("merchants", "postback_addresses", value)
        for value in (
            None,
            "203.0.113.7",
            [1],
            [""],
            ["x"],
            ["203.0.113.7/24"],
            ["203.0.113.256"],
            ["x" * 5000],
            ["::1%1"],
        )
    ],
    ("merchants", "postback_addresses", ["203.0.113.7"] * 201),
    *[("merchants", "postback_rate_per_minute", value) for value in (0, -1, 1_000_001, 1.0, "60", True)],
    *[("merchants", "currency", value) for value in (None, "", "US", "USDX", "U$D", 840, "ÜSD", "US\x00")],
    *[("sources", "prefix", value) for value in (None, "", "D", "ABCDE", "dp", "D1", 1, "DP\n", "ÄÖ")],
    *[("links", field, value) for field in ("profile_id", "source_id", "merchant_id") for value in WRONG_ID],
    ("links", "merchant_id", None),
    *[("links", "destination_url", value) for value in (*HOSTILE_URLS, *HOSTILE_TEMPLATES, None, 1, ["https://x"])],
    *[
        ("links", "slug", value)
        for value in ("", "-a", "_a", "a/b", "a b", "a.b", "é", "x" * 65, 1, True, "a\n", "a\x00")
    ],
    *[("links", "active", value) for value in WRONG_FLAG],
    *[("links", "sub1", value) for value in (1, True, [], "x" * 501, "a\x00b")],
    ("links", "sub10", "x" * 501),
]


def read(kind: type[Body], body: Any) -> Body:
    """Read a body as a client would send it."""
    return decode_json(json.dumps(body).encode(), kind)


def refusal(kind: type[Body], body: Any) -> InvalidFieldsError:
    """The error of a body that must be refused."""
    with pytest.raises(InvalidFieldsError) as caught:
        read(kind, body)
    return caught.value


def top(field: str | None) -> str:
    """The field of the body that a path such as `pixels[0]` is in."""
    return re.split(r"[.\[]", field or "", maxsplit=1)[0]


def test_the_examples_are_valid() -> None:
    for plural, body in VALID.items():
        assert set(read(RESOURCES[plural].new, body).values()) == set(RESOURCES[plural].fields.model_fields)


@pytest.mark.parametrize(("plural", "field", "value"), REFUSED)
def test_a_wrong_value_is_refused_with_its_field(plural: str, field: str, value: Any) -> None:
    resource = RESOURCES[plural]
    on_creation = refusal(resource.new, VALID[plural] | {field: value})
    on_change = refusal(resource.changes, {field: value})
    assert top(on_creation.field) == top(on_change.field) == field
    assert field in on_creation.message
    assert len(on_creation.message) < 400


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.plural)
@pytest.mark.parametrize(
    "name", ["revision", "created_at", "url", "sub11", "", "Name", "name ", "__class__", "x" * 5000]
)
def test_an_unknown_field_is_refused_by_name(resource: Resource, name: str) -> None:
    for kind, body in ((resource.new, VALID[resource.plural]), (resource.changes, {})):
        error = refusal(kind, {**body, name: "x"})
        assert (error.code, error.field) == ("unknown-field", name[:64])


@pytest.mark.parametrize(("plural", "field"), [(plural, field) for plural, body in VALID.items() for field in body])
def test_a_missing_field_is_named(plural: str, field: str) -> None:
    body = {name: value for name, value in VALID[plural].items() if name != field}
    error = refusal(RESOURCES[plural].new, body)
    assert (error.code, error.field) == ("missing-field", field)


def test_every_wrong_field_is_reported_at_once() -> None:
    body = {"name": "", "redirect_type": "303", "pixels": ["ftp://x/", "https://p.example/", 7], "colour": "red"}
    reported = {each.field: each.code for each in refusal(PROFILES.new, body).errors}
    assert reported == {
        "name": "invalid-field",
        "domain": "missing-field",
        "redirect_type": "invalid-field",
        "pixels[0]": "invalid-field",
        "pixels[2]": "invalid-field",
        "colour": "unknown-field",
    }


@pytest.mark.parametrize(
    ("plural", "field", "value", "stored"),
    [
        ("profiles", "name", "  Spring sale ", "Spring sale"),
        ("profiles", "domain", "Track.Example.COM.", "track.example.com"),
        ("profiles", "domain", "bücher.example", "xn--bcher-kva.example"),
        ("profiles", "fallback_url", "https://m.example/a b".replace(" ", "%20"), "https://m.example/a%20b"),
        ("profiles", "fallback_url", None, None),
        ("merchants", "currency", "jpy", "JPY"),
        ("merchants", "click_parameter", "afp", "afp"),
        ("merchants", "parameter_names", {"click_id": [" our_ref ", "b"]}, {"click_id": ["our_ref", "b"]}),
        ("merchants", "event_words", {" Reg OK ": "registration"}, {"reg ok": "registration"}),
        ("merchants", "status_words", {"PAID": "approved", "7": "rejected"}, {"paid": "approved", "7": "rejected"}),
        ("merchants", "postback_addresses", ["203.0.113.7", " 2001:DB8::/32"], ["203.0.113.7/32", "2001:db8::/32"]),
        ("merchants", "postback_rate_per_minute", None, None),
        ("merchants", "decimal_separator", ",", ","),
        ("links", "sub1", "", ""),
        ("links", "sub1", None, None),
        ("links", "profile_id", None, None),
        ("links", "slug", "A-b_9", "A-b_9"),
        ("links", "profile_id", ID_MAX, ID_MAX),
        (
            "links",
            "destination_url",
            "https://bücher.example/?q={any_name}#f",
            "https://bücher.example/?q={any_name}#f",
        ),
    ],
)
def test_a_good_value_is_stored_in_one_form(plural: str, field: str, value: Any, stored: Any) -> None:
    assert read(RESOURCES[plural].changes, {field: value}).changes() == {field: stored}


def test_generated_fields_are_made_up_when_absent_or_null() -> None:
    for given_fields in ({}, {"slug": None, "name": None}):
        values = read(LINKS.new, VALID["links"] | given_fields).values()
        assert (values["slug"], values["name"]) == (None, None)


def test_slugs_are_short_and_cannot_be_misread() -> None:
    assert not set("0O1lIo") & set(SLUG_ALPHABET)
    assert {len(mint_slug()) for _ in range(50)} == {SLUG_CHARACTERS}
    assert len({mint_slug() for _ in range(200)}) == 200


UNICODE = st.text(st.characters(codec="utf-8"))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | UNICODE,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(UNICODE, children, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(RESOURCES)), st.data())
def test_any_json_is_accepted_or_refused_and_what_is_accepted_fits_postgresql(plural: str, data: st.DataObject) -> None:
    resource = RESOURCES[plural]
    names = st.sampled_from(sorted(resource.fields.model_fields))
    urls = st.text("htps:/.{}@\\aü\u3002%?#[]0", max_size=30).map(lambda rest: f"https://{rest}")
    body = data.draw(st.dictionaries(names, JSON_VALUES | urls, max_size=4))
    blamed, values = set[str](), dict[str, Any]()
    try:
        values = decode_json(orjson.dumps(body), resource.changes).changes()
    except InvalidFieldsError as error:
        blamed = {top(each.field) for each in error.errors}
    assert blamed <= set(body)
    assert blamed or set(values) == set(body)
    assert b"\\u0000" not in orjson.dumps(values)
