"""The language a visitor prefers, and the host they came from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.visitors import accepted_language, referrer_host


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en;q=0.5, fr", "fr"),
        ("en;q=0.5,fr;q=0.5", "en"),
        ("zh-Hant-TW", "zh"),
        ("EN-us;q=1.0", "en"),
        ("en_US", "en"),
        ("fr;q=0,de;q=0.1", "de"),
        ("fr;q=9,de;q=0.1", "de"),
        ("*", ""),
        ("*,pt;q=0.2", "pt"),
        ("", ""),
        ("q=1", ""),
        (",;,", ""),
        ("x" * 65_536, ""),
        ("de," * 30_000, "de"),
        ("\x00\xff,fi", "fi"),
    ],
)
def test_the_language_of_the_greatest_weight_counts(header: str, language: str) -> None:
    assert accepted_language(header) == language


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://www.Example.com:443/a?b=https://other.example", "www.example.com"),
        ("http://user:secret@x.example/", "x.example"),
        ("https://x.example.", "x.example"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("https://[2001:DB8::1]:8443/", "[2001:db8::1]"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://evil.example\\@good.example", "evil.example"),
        ("javascript:alert(1)", ""),
        ("ftp://x.example/", ""),
        ("https://a b/", ""),
        ("https://b\xc3\xbccher.example/", ""),
        ("https://" + "a" * 65_536, ""),
        ("x.example", ""),
        ("https://", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_referrer_is_its_host_alone(referrer: str, host: str) -> None:
    assert referrer_host(referrer) == host


@given(st.text(st.characters(max_codepoint=255), max_size=1500))
def test_any_bytes_make_plain_names(text: str) -> None:
    names = accepted_language(text), referrer_host("https://" + text)
    assert all(name.isascii() and not set("\t\n\r\\\x00") & set(name) for name in names)
