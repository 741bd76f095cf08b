"""Every row of "What the edge serves", through the real application, mirror and spool, without a server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from config.configuration import MirrorWriter, link_key, mirror_meta, profile_key
from config.settings import EdgeSettings
from edge.http import client_address
from edge.spool import SpoolWriter
from edge_client import NO_SUBS, PEER, Edge, link, profile, running_edge, settings_of
from tracking.clicks import parse_click_id
from tracking.spool import encode_click

SERVED = {
    profile_key("t.example"): profile(1, fallback_url="https://fallback.example/"),
    profile_key("moved.example"): profile(2, redirect_type="301"),
    profile_key("js.example"): profile(
        3, redirect_type="js", pixels=["https://px.example/1.gif", "https://px.example/1.js"]
    ),
    profile_key("off.example"): profile(4, active=False),
    link_key(1, "abc"): link(10, "https://m.example/p?c={click_id}&s={sub1}&x={x}&k=1"),
    link_key(1, "all"): link(
        11,
        "https://m.example/?t={timestamp}&ua={user_agent}&ip={ip}&co={country}&so={source}&l={link_id}&g={slug}&r={referrer}",
    ),
    link_key(1, "subs"): link(12, "https://m.example/?a={sub1}&b={sub2}", sub_defaults=["first", None, *NO_SUBS[2:]]),
    link_key(1, "stopped"): link(13, "https://m.example/", active=False),
    link_key(1, "named"): link(14, "https://m.example/?c={campaign}&e={external_id}&o={cost}&r={random}&g={gclid}"),
    link_key(1, "who"): link(15, "https://m.example/{country}/{region}/{city}/{device}/{os}/{browser}/{language}"),
    link_key(2, "abc"): link(20, "https://m.example/p?c={click_id}&s={sub1}&x={x}"),
    link_key(3, "abc"): link(30, "https://m.example/p?c={click_id}&s={sub1}&x={x}"),
    link_key(4, "abc"): link(40, "https://m.example/p?c={click_id}"),
    link_key(4, "stopped"): link(41, "https://m.example/", active=False),
    link_key(None, "free"): link(50, "https://free.example/?s={sub1}&c={click_id}"),
}


@pytest.fixture
def settings(tmp_path: Path) -> EdgeSettings:
    return settings_of(tmp_path / "home")


@pytest.fixture
def edge(settings: EdgeSettings) -> Iterator[Edge]:
    with running_edge(settings, SERVED.items()) as running:
        yield running


def test_a_302_link_redirects_with_no_store_and_is_recorded_whole(edge: Edge) -> None:
    answer = edge.get(
        "/click/abc?sub1=one&x=2&unnamed=kept", User_Agent="UA/1", Referer="https://r.example/", Accept_Language="de"
    )
    assert answer.status_code == 302
    assert answer.headers["cache-control"] == "no-store, private"
    click_id = answer.headers["x-waypost-click-id"]
    assert answer.headers["location"] == f"https://m.example/p?c={click_id}&s=one&x=2&k=1"
    (click,) = edge.clicks
    assert click.click_id == click_id
    assert parse_click_id(click_id, edge.settings.click_id_keys) is not None
    assert (click.link_id, click.profile_id, click.config_version, click.host, click.slug) == (
        10,
        1,
        17,
        "t.example",
        "abc",
    )
    assert click.query == "sub1=one&x=2&unnamed=kept"
    assert (click.user_agent, click.referrer, click.accept_language) == ("UA/1", "https://r.example/", "de")
    assert click.location == answer.headers["location"]
    assert edge.payloads("clicks") == [encode_click(click).decode()]


def test_a_301_link_redirects_permanently_without_no_store(edge: Edge) -> None:
    answer = edge.get("/click/abc", host="moved.example")
    assert answer.status_code == 301
    assert "cache-control" not in answer.headers
    assert len(edge.clicks) == 1


def test_a_js_link_is_a_page_with_a_nonce_that_goes_to_the_escaped_destination(edge: Edge) -> None:
    answer = edge.get("/click/abc?sub1=%3C/script%3E&x='\"", host="js.example")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    nonce = answer.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    assert f'<script nonce="{nonce}">' in answer.text
    assert answer.text.count("</script>") == 1
    assert "%3C%2Fscript%3E" in answer.text
    assert '<noscript><meta http-equiv="refresh"' in answer.text
    assert "https://px.example/1.gif" in answer.text
    assert len(edge.clicks) == 1


def test_route_is_an_alias_of_click_and_hosts_match_without_case_port_or_dot(edge: Edge) -> None:
    for host in ("T.Example", "t.example:8080", "t.example."):
        assert edge.get("/route/abc", host=host).status_code == 302


def test_head_gets_the_same_redirect_and_is_recorded_as_head(edge: Edge) -> None:
    answer = edge.get("/click/abc?sub1=a", method="HEAD")
    assert answer.status_code == 302
    assert "s=a" in answer.headers["location"]
    assert [click.method for click in edge.clicks] == ["HEAD"]


def test_every_macro_is_filled_in_and_percent_encoded(edge: Edge) -> None:
    answer = edge.get("/click/all", User_Agent="Ä b&c".encode().decode("latin-1"), Referer="https://r/?q=1&z")
    values = parse_qs(urlsplit(answer.headers["location"]).query, keep_blank_values=True)
    assert values["ua"] == ["Ä b&c"]
    assert values["r"] == ["https://r/?q=1&z"]
    assert values["ip"] == [PEER]
    assert values["co"] == [""]
    assert (values["so"], values["l"], values["g"]) == (["newsletter"], ["11"], ["all"])
    assert values["t"] == [str(edge.clicks[0].at_ms // 1000)]


def test_sub_ids_come_from_any_alias_and_else_from_the_links_default(edge: Edge) -> None:
    assert edge.get("/click/subs").headers["location"] == "https://m.example/?a=first&b="
    assert edge.get("/click/subs?aff_sub=z&t2=y").headers["location"] == "https://m.example/?a=z&b=y"
    assert edge.clicks[0].sub_defaults[0] == "first"


def test_place_device_and_language_are_filled_in_and_blank_where_they_are_unknown(edge: Edge) -> None:
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    phone += " Version/17.5 Mobile/15E148 Safari/604.1"
    answer = edge.get("/click/who", User_Agent=phone, Accept_Language="en;q=0.5,de-AT")
    assert answer.headers["location"] == "https://m.example////phone/iOS/Mobile%20Safari/de"
    hostile = edge.get("/click/who", User_Agent="\xff\x00{city}" * 50, Accept_Language="\xff,;q=x")
    assert re.fullmatch(r"https://m\.example////[a-z]+/[\w%]*/[\w%]*/[\w%]*", hostile.headers["location"])


def test_campaign_cost_and_ids_are_filled_in_under_any_name_and_the_random_number_changes(edge: Edge) -> None:
    query = "utm_campaign=spring+sale&bid=0.02&externalid=E%261&gclid=G"
    locations = [edge.get(f"/click/named?{query}").headers["location"] for _ in range(20)]
    found = {re.sub(r"&r=\d{1,10}&", "&r=N&", location) for location in locations}
    assert found == {"https://m.example/?c=spring%20sale&e=E%261&o=0.02&r=N&g=G"}
    assert len(set(locations)) == 20


@pytest.mark.parametrize(
    "query",
    [
        "sub1=a%0d%0ab&x=é".encode().decode("latin-1"),
        "sub1=%00&x=%0a",
        "sub1=%ff%fe&x=\xff",
        "sub1=%E2%80%A8&x=%F0%9F%98%80",
        "sub1=%&x=%zz",
        "&&==&sub1&x",
        "sub1=" + "a" * 5000,
        "sub1={click_id}&x={sub1}",
        "sub1=//evil.example&x=\\",
    ],
)
@pytest.mark.parametrize("host", ["t.example", "moved.example", "js.example"])
def test_a_hostile_parameter_gives_an_encoded_redirect(edge: Edge, host: str, query: str) -> None:
    answer = edge.get(f"/click/abc?{query}", host=host)
    assert answer.status_code in (200, 301, 302)
    location = edge.clicks[0].location
    assert location.startswith("https://m.example/p?c=")
    assert location.isascii()
    assert not set(location) & set("\r\n\t \x00\\<>\"'{}")


def test_a_link_without_an_active_profile_redirects_and_logs_nothing(edge: Edge) -> None:
    for path, host, location in (
        ("/click/abc", "off.example", "https://m.example/p?c="),
        ("/click/free?sub1=a", "t.example", "https://free.example/?s=a&c="),
        ("/click/free", "anything.example", "https://free.example/?s=&c="),
    ):
        answer = edge.get(path, host=host)
        assert (answer.status_code, answer.headers["location"]) == (302, location)
        assert answer.headers["x-waypost-reason"] == "no-profile"
        assert "x-waypost-click-id" not in answer.headers
    assert edge.clicks == []


@pytest.mark.parametrize(
    ("path", "host", "reason"),
    [
        ("/click/nope", "t.example", "unknown-slug"),
        ("/click/abc", "other.example", "wrong-host"),
        ("/click/abc", "", "wrong-host"),
        ("/click/" + "a" * 4000, "t.example", "unknown-slug"),
        ("/click/abc", "h" * 4000, "wrong-host"),
        ("/click/%C3%A9", "t.example", "unknown-slug"),
        ("/click/%00", "t.example", "unknown-slug"),
        ("/click/stopped", "off.example", "link-inactive"),
    ],
)
def test_what_is_not_served_is_404_with_its_reason_and_not_recorded(
    edge: Edge, path: str, host: str, reason: str
) -> None:
    answer = edge.get(path, host=host)
    assert answer.status_code == 404
    assert answer.headers["x-waypost-reason"] == reason
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == reason
    assert edge.clicks == []


def test_a_stopped_link_goes_to_the_profiles_fallback(edge: Edge) -> None:
    answer = edge.get("/click/stopped")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://fallback.example/")
    assert answer.headers["x-waypost-reason"] == "link-inactive"
    assert edge.clicks == []


def test_a_full_spool_redirects_counts_the_loss_and_gives_no_click_id(edge: Edge) -> None:
    edge.recorder._clicks.full = True
    answer = edge.get("/click/abc")
    assert answer.status_code == 302
    assert answer.headers["x-waypost-reason"] == "not-logged"
    assert "x-waypost-click-id" not in answer.headers
    metrics = edge.get("/metrics").text
    assert 'waypost_edge_declared_lost_total{stream="clicks"} 1.0' in metrics
    assert 'waypost_edge_answers_total{outcome="not-logged"} 1.0' in metrics
    edge.recorder._clicks.full = False
    assert "x-waypost-click-id" in edge.get("/click/abc").headers


def test_a_changed_link_goes_elsewhere_at_once(settings: EdgeSettings) -> None:
    # LMDB opens a file once in a process, so the agent's side is one of its own.
    code = (
        "import sys; from pathlib import Path; from config.configuration.mirror import MirrorWriter, mirror_meta\n"
        "writer = MirrorWriter(Path(sys.argv[1]), 1 << 24)\n"
        "writer.apply(mirror_meta('e', 18, '2-0'), {sys.argv[2]: sys.argv[3].encode()}); writer.close()\n"
    )
    writer = MirrorWriter(settings.mirror_dir, 1 << 24)
    writer.replace(mirror_meta("e", 17, "1-0"), SERVED.items())
    writer.close()
    edge = Edge(settings)
    assert edge.get("/click/free").headers["location"].startswith("https://free.example/")
    changed = link(50, "https://other.example/").decode()
    command = [sys.executable, "-c", code, str(settings.mirror_dir), link_key(None, "free"), changed]
    subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[3])
    assert edge.get("/click/free").headers["location"] == "https://other.example/"
    edge.recorder.close()
    edge.mirror.close()


def test_an_edge_that_answers_clicks_alone_never_reads_the_list_of_currencies(settings: EdgeSettings) -> None:
    """It takes 25 ms and 1.2 MB (tracking/money/currencies.py). In a process of its own, for others have read it."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from edge_client import link, profile, running_edge, settings_of\n"
        "served = [('p:t.example', profile(1)), ('l:1:abc', link(10, 'https://m.example/?c={click_id}'))]\n"
        "with running_edge(settings_of(Path(sys.argv[1])), served) as edge:\n"
        "    assert edge.get('/click/abc').status_code == 302\n"
        "    print('iso4217' in sys.modules)\n"
        "    edge.postback('/v1/postback?event=ftd&click_id=' + edge.clicks[0].click_id + '&payout=5&currency=usd')\n"
        "    print('iso4217' in sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[3]
    environ = os.environ | {"PYTHONPATH": f"{root}:{root / 'tests' / 'support'}"}
    command = [sys.executable, "-c", code, str(settings.home)]
    run = subprocess.run(command, env=environ, cwd=root, capture_output=True, text=True)
    assert run.stdout.split() == ["False", "True"], run.stderr


def test_the_test_click_tells_the_profile_mirror_and_spool(edge: Edge) -> None:
    answer = edge.get("/click?test=1").json
    assert answer["profile"] == {"profile_id": 1, "name": "P", "redirect_type": "302"}
    assert answer["active"] is True
    assert answer["mirror"]["version"] == 17
    assert answer["mirror"]["entries"] == len(SERVED)
    assert answer["spool"] == {"healthy": True}
    assert answer["geo"] == {"databases": {}}
    assert edge.get("/click?test=1", host="other.example").json["profile"] is None
    assert edge.get("/click?test=1", host="off.example").json["active"] is False
    assert edge.get("/click").status_code == 404
    assert edge.clicks == []


def test_live_ready_and_unknown_routes(edge: Edge) -> None:
    assert edge.get("/livez").status_code == 200
    assert edge.get("/readyz").status_code == 200
    answer = edge.get("/nothing/here")
    assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert edge.get("/livez", method="DELETE").json["code"] == "method-not-allowed"


def metric(edge: Edge, line: str) -> float:
    """Return the value of one line of /metrics."""
    lines = edge.get("/metrics").text.splitlines()
    (value,) = [each.removeprefix(line) for each in lines if each.startswith(f"{line} ")]
    return float(value)


def test_metrics_count_settled_spools_and_pass_over_a_file_that_was_begun_and_never_filled(edge: Edge) -> None:
    edge.get("/click/abc")
    (edge.settings.spool_dir / "slot-5-9.outcomes").touch()
    earlier = edge.settings.spool_dir / "5-8-abcd-clicks"
    earlier.mkdir()
    (earlier / "counters").touch()
    assert metric(edge, 'waypost_edge_answers_total{outcome="redirected"}') == 1
    assert metric(edge, 'waypost_edge_issued_total{stream="clicks"}') == 1
    settled = edge.settings.spool_dir / "settled" / "5-7-abcd-clicks"
    settled.mkdir(parents=True)
    with closing(SpoolWriter(settled, 1 << 20)) as writer:
        writer.append(b"[1]")
    assert metric(edge, 'waypost_edge_issued_total{stream="clicks"}') == 2


def test_an_edge_without_configuration_is_alive_not_ready_and_says_so(settings: EdgeSettings) -> None:
    MirrorWriter(settings.mirror_dir, 1 << 20).close()
    edge = Edge(settings)
    assert edge.get("/livez").status_code == 200
    assert edge.get("/readyz").json["code"] == "mirror-empty"
    assert edge.get("/click/abc").status_code == 503
    edge.recorder.close()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", PEER),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (2, "203.0.113.9", PEER),
        (1, "", PEER),
        (1, "unknown", PEER),
        (1, "fe80::1%eth0", PEER),
        (1, "1.2.3.4\r\nX: y", PEER),
    ],
)
def test_the_visitors_address_is_what_our_own_proxies_saw(proxies: int, forwarded: str, address: str) -> None:
    assert client_address({"REMOTE_ADDR": PEER, "HTTP_X_FORWARDED_FOR": forwarded}, proxies) == address
