"""Served configuration: what is published is what the edge decodes, under keys that cannot collide."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from config.configuration import (
    PublishedAccount,
    PublishedEvents,
    PublishedLink,
    PublishedProfile,
    PublishedToken,
    account_key,
    decode_account,
    decode_events,
    decode_link,
    decode_profile,
    decode_token,
    encode_published,
    events_key,
    link_key,
    profile_key,
    token_key,
)

text = st.text(max_size=20)


@given(
    st.builds(
        PublishedProfile,
        profile_id=st.integers(1, 2**53),
        active=st.booleans(),
        fallback_url=st.none() | text,
        pixels=st.lists(text, max_size=3),
        pixel_timeout_ms=st.integers(0, 10_000),
        next_hops=st.none() | st.tuples(st.lists(text), st.none() | text, st.lists(text)).map(list),
        **dict.fromkeys(("name", "redirect_type"), text),
    )
)
def test_any_profile_is_read_back(profile: PublishedProfile) -> None:
    assert decode_profile(encode_published(profile)) == profile


@given(
    st.builds(
        PublishedLink,
        link_id=st.integers(1, 2**53),
        active=st.booleans(),
        parts=st.lists(text, max_size=7),
        source=st.none() | text,
        sub_defaults=st.lists(st.none() | text, min_size=10, max_size=10),
        plan=st.none() | st.lists(st.integers(0, 2**53) | text, max_size=3),
    )
)
def test_any_link_is_read_back(link: PublishedLink) -> None:
    assert decode_link(encode_published(link)) == link


def test_a_token_is_read_back() -> None:
    assert decode_token(encode_published(PublishedToken(3, "EUR"))) == PublishedToken(3, "EUR")


def test_an_account_and_the_event_types_are_read_back() -> None:
    account = PublishedAccount(3, "EUR", "hmac", ["::/0"], None, ["whsec_x"], {"event_words": {"caf\u00e9": "ftd"}})
    events = PublishedEvents(["ftd", "deposit"], ["deposit"])
    assert decode_account(encode_published(account)) == account
    assert decode_events(encode_published(events)) == events


def test_a_compiled_template_may_be_published_as_it_is() -> None:
    link = PublishedLink(1, True, ("https://a.example/?c=", "click_id", ""), None, [None] * 10)  # type: ignore[arg-type]
    assert decode_link(encode_published(link)).parts == ["https://a.example/?c=", "click_id", ""]


def test_a_token_is_published_by_its_hash_only() -> None:
    assert token_key("secret") == f"t:{sha256(b'secret').hexdigest()}"


def test_a_link_without_a_profile_has_a_key_of_its_own() -> None:
    assert link_key(None, "x") == link_key(0, "x") == "l:0:x"


@given(domain=text, profile_id=st.integers(0, 10**6), slug=text, token=text)
def test_keys_of_different_kinds_never_meet(domain: str, profile_id: int, slug: str, token: str) -> None:
    keys = {profile_key(domain), link_key(profile_id, slug), token_key(token), account_key(profile_id), events_key()}
    assert len(keys) == 5
