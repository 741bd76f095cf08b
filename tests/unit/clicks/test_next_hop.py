"""A URL in a parameter of a click is obeyed only for a host on the list or with a signature; nothing else redirects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.configuration import link_key, profile_key
from edge_client import Edge, profile, running_edge, settings_of
from edge_client import link as served_link
from hostile_urls import HOSTILE_URLS
from tracking.clicks import (
    NextHopResult,
    NextHops,
    check_redirect_host,
    compile_destination,
    compile_template,
    find_next_hop,
    raw_parameter,
    sign_next_hop,
)
from tracking.runtime import FieldError

HOSTS = frozenset({"shop.example", "*.brand.example", "xn--bcher-kva.example"})
HOPS = NextHops("url", HOSTS, ("new-secret", "old-secret"))
FALLBACK = "https://fallback.example/"


def named(url: str, **more: str) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in {"url": url, **more}.items())


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("https://shop.example/p?a=1&b=2#c", "https://shop.example/p?a=1&b=2#c"),
        ("HTTPS://SHOP.example:8443", "https://shop.example:8443"),
        ("http://shop.example./x", "http://shop.example./x"),
        ("https://a.brand.example/", "https://a.brand.example/"),
        ("https://a.b.brand.example/", "https://a.b.brand.example/"),
        ("https://b\u00fccher.example/\u00fc", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://shop.example/?c={click_id}&s={sub1}", "https://shop.example/?c=C-1&s=%7Bsub1%7D"),
        ("https://shop.example/{{}", "https://shop.example/%7B%7B%7D"),
    ],
)
def test_a_next_hop_to_a_host_on_the_list_is_followed(said: str, url: str) -> None:
    assert find_next_hop(named(said), HOPS, "C-1") == (NextHopResult.HOST_ALLOWED, url)


@pytest.mark.parametrize(
    "said",
    [
        "https://evil.example/",
        "https://brand.example/",
        "https://notshop.example/",
        "https://shop.example.evil.example/",
        "https://xbrand.example/",
        "https://a.brand.example.evil.example/",
        "https://evil.example/https://shop.example/",
        "https://evil.example/#shop.example",
        "https://evil.example?shop.example",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://shop.example\u3002evil.example/",
        "https://shop.example\uff0eevil.example/",
    ],
)
def test_a_next_hop_to_another_host_is_not_followed(said: str) -> None:
    assert find_next_hop(named(said), HOPS, "") == (NextHopResult.HOST_NOT_ALLOWED, "")


@pytest.mark.parametrize("said", [url for url in HOSTILE_URLS if url])
def test_a_hostile_next_hop_is_not_followed_even_if_it_is_signed(said: str) -> None:
    signed = named(said, sig=sign_next_hop(said, "new-secret"))
    assert find_next_hop(signed, HOPS, "") == (NextHopResult.BAD_URL, "")


def test_a_click_without_the_parameter_or_with_a_blank_one_names_no_next_hop() -> None:
    for query in ("", "sub1=x", "url=", "sig=x", "URL=https://shop.example/"):
        assert find_next_hop(query, HOPS, "") is None


@pytest.mark.parametrize("secret", ["new-secret", "old-secret"])
def test_a_signed_next_hop_may_lead_anywhere(secret: str) -> None:
    said = "https://any.example/caf\u00e9?a=1&c={click_id}"
    signature = sign_next_hop(said, secret)
    for written in (signature, signature.upper(), f" {signature} "):
        found = find_next_hop(named(said, sig=written), HOPS, "C-1")
        assert found == (NextHopResult.SIGNED, "https://any.example/caf%C3%A9?a=1&c=C-1")


def test_the_signature_is_the_hmac_that_the_documentation_shows() -> None:
    """Made with `printf %s URL | openssl dgst -sha256 -hmac SECRET`."""
    made = sign_next_hop("https://shop.example/", "secret")
    assert made == "33275504c35f2b83b59a4dd220e973b551254199ab97e09c83eae03dd4fc452b"


@pytest.mark.parametrize("signature", ["", "0" * 64, "\u00e9", "a" * 5000, "\x00"])
def test_a_wrong_signature_is_told(signature: str) -> None:
    found = find_next_hop(named("https://any.example/", sig=signature), HOPS, "")
    assert found == (NextHopResult.BAD_SIGNATURE, "")


def test_a_signature_of_another_url_or_secret_or_without_secrets_is_worth_nothing() -> None:
    of_another = named("https://any.example/", sig=sign_next_hop("https://any.example/x", "new-secret"))
    assert find_next_hop(of_another, HOPS, "") == (NextHopResult.BAD_SIGNATURE, "")
    by_another = named("https://any.example/", sig=sign_next_hop("https://any.example/", "third"))
    assert find_next_hop(by_another, HOPS, "") == (NextHopResult.BAD_SIGNATURE, "")
    signed = named("https://any.example/", sig=sign_next_hop("https://any.example/", ""))
    assert find_next_hop(signed, HOPS._replace(secrets=()), "") == (NextHopResult.HOST_NOT_ALLOWED, "")


@given(said=st.text(max_size=60) | st.text(max_size=40).map(lambda rest: f"https://shop.example{rest}"))
def test_whatever_is_followed_is_ascii_and_leads_to_a_host_on_the_list(said: str) -> None:
    found = find_next_hop(named(said), HOPS, "C-1")
    if found is not None and found.url:
        assert found.url.isascii()
        assert found.url.isprintable()
        assert " " not in found.url
        host = (urlsplit(found.url).hostname or "").rstrip(".")
        assert host == "shop.example" or host.endswith(".brand.example")


@pytest.mark.parametrize(
    ("host", "kept"), [("Shop.Example.", "shop.example"), ("*.B\u00fccher.example", "*.xn--bcher-kva.example")]
)
def test_a_host_of_the_list_is_kept_as_it_is_compared(host: str, kept: str) -> None:
    assert check_redirect_host(host, "redirect_hosts") == kept


@pytest.mark.parametrize("host", ["", "*", "*.", "*.com", "*.*.example", "a.*.example", "https://x.example", "x/y"])
def test_a_host_that_is_none_or_would_allow_too_much_is_refused(host: str) -> None:
    with pytest.raises(FieldError) as refusal:
        check_redirect_host(host, "redirect_hosts")
    assert refusal.value.field == "redirect_hosts"


def test_a_destination_may_be_a_raw_parameter_only_as_a_whole() -> None:
    assert compile_destination("{url:raw}", "u") == ("", "url:raw", "")
    assert raw_parameter(compile_destination("{url:raw}", "u")) == "url"
    assert raw_parameter(compile_destination("https://a.example/{url}", "u")) is None
    for hostile in (
        *(
            "{url:raw}/",
            " {url:raw}",
            "https://{url:raw}",
            "https://a.example/{url:raw}",
            "https://a.example/?u={url:raw}",
        ),
        *("{click_id:raw}", "{sub1:raw}", "{cost:raw}", "{:raw}", "{url:RAW}", "{url:raw}{url:raw}", "{url:raw}\n"),
    ):
        with pytest.raises(FieldError):
            compile_destination(hostile, "u")
    with pytest.raises(FieldError, match="raw"):
        compile_template("{url:raw}", "u")


def link(link_id: int, url: str) -> bytes:
    if url == "{url:raw}":
        return served_link(link_id, "https://unused.example/").replace(b'"https://unused.example/"', b'"","url:raw",""')
    return served_link(link_id, url)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    hops = [sorted(HOSTS), "redirection_url", ["new-secret"]]
    served = {
        profile_key("t.example"): profile(1, next_hops=hops, fallback_url=FALLBACK),
        profile_key("page.example"): profile(2, next_hops=hops, redirect_type="js"),
        profile_key("off.example"): profile(3, next_hops=hops, active=False),
        profile_key("plain.example"): profile(4),
        profile_key("bare.example"): profile(5, next_hops=[["shop.example"], None, []]),
        link_key(1, "raw"): link(10, "{url:raw}"),
        link_key(5, "raw"): link(50, "{url:raw}"),
        link_key(None, "raw"): link(99, "{url:raw}"),
        **{link_key(number, "own"): link(10 * number + 1, "https://own.example/?s={sub1}") for number in range(1, 5)},
    }
    with running_edge(settings_of(tmp_path / "home"), served.items()) as running:
        yield running


def counted(edge: Edge, result: NextHopResult) -> float:
    lines = edge.get("/metrics").text.splitlines()
    start = f'waypost_edge_next_hops_total{{result="{result.value}"}} '
    (value,) = [line.removeprefix(start) for line in lines if line.startswith(start)]
    return float(value)


def test_a_transparent_click_follows_its_visible_next_hop_and_is_recorded_with_it(edge: Edge) -> None:
    said = quote("https://shop.example/p?c={click_id}&k=1", safe="")
    answer = edge.get(f"/click/own?sub1=a&redirection_url={said}")
    click_id = answer.headers["x-waypost-click-id"]
    assert answer.headers["location"] == f"https://shop.example/p?c={click_id}&k=1" == edge.clicks[0].location
    assert answer.headers["x-waypost-next-hop"] == "host-allowed"
    assert counted(edge, NextHopResult.HOST_ALLOWED) == 1


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ("https://evil.example/", NextHopResult.HOST_NOT_ALLOWED),
        ("javascript:alert(1)", NextHopResult.BAD_URL),
        ("https://evil.example/&sig=00", NextHopResult.BAD_SIGNATURE),
    ],
)
def test_a_next_hop_that_may_not_be_followed_leaves_the_links_destination_and_is_counted(
    edge: Edge, said: str, result: NextHopResult
) -> None:
    answer = edge.get(f"/click/own?sub1=a&redirection_url={said}")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://own.example/?s=a")
    assert answer.headers["x-waypost-next-hop"] == result.value
    assert [counted(edge, each) for each in NextHopResult] == [float(each is result) for each in NextHopResult]


def test_a_signed_next_hop_is_followed_by_the_page_too(edge: Edge) -> None:
    said = "https://signed.example/?a=</script>"
    query = f"redirection_url={quote(said, safe='')}&sig={sign_next_hop(said, 'new-secret')}"
    answer = edge.get(f"/click/own?{query}", host="page.example")
    assert edge.clicks[0].location == "https://signed.example/?a=%3C/script%3E"
    assert "https://signed.example/?a=%3C/script%3E" in answer.text
    assert answer.text.count("</script>") == 1


def test_a_profile_that_names_no_parameter_obeys_none(edge: Edge) -> None:
    answer = edge.get("/click/own?redirection_url=https://shop.example/", host="plain.example")
    assert answer.headers["location"] == "https://own.example/?s="
    assert "x-waypost-next-hop" not in answer.headers


def test_a_raw_destination_leads_to_its_parameter_or_to_the_fallback_and_nowhere_else(edge: Edge) -> None:
    ours = "https://shop.example/a%20b"
    for query, location in (
        (f"url={quote(ours, safe='')}", ours),
        ("url=https://evil.example/", FALLBACK),
        (f"url=https://evil.example/&sig={sign_next_hop('https://evil.example/', 'new-secret')}", FALLBACK),
        ("url=//evil.example/", FALLBACK),
        ("url=javascript:alert(1)", FALLBACK),
        ("url=https://shop.example/%250d%250aSet-Cookie:x", "https://shop.example/%0d%0aSet-Cookie:x"),
        ("url=https://shop.example/%0d%0aSet-Cookie:x", FALLBACK),
        ("", FALLBACK),
    ):
        assert edge.get(f"/click/raw?{query}").headers["location"] == location, query
    assert len(edge.clicks) == 8


def test_the_visible_next_hop_comes_before_the_links_raw_parameter(edge: Edge) -> None:
    answer = edge.get("/click/raw?url=https://shop.example/raw&redirection_url=https://shop.example/visible")
    assert answer.headers["location"] == "https://shop.example/visible"


def test_an_inactive_profile_still_follows_and_records_nothing(edge: Edge) -> None:
    answer = edge.get("/click/own?redirection_url=https://shop.example/?c={click_id}", host="off.example")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/?c=")
    assert edge.clicks == []


def test_a_raw_destination_without_a_fallback_is_404_and_not_an_open_redirect(edge: Edge) -> None:
    for host in ("bare.example", "plain.example", "any.example"):
        answer = edge.get("/click/raw?url=https://shop.example/", host=host)
        assert (answer.status_code, answer.headers["x-waypost-reason"]) == (404, "no-destination")
    assert edge.clicks == []
