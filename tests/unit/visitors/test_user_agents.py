"""Device, system and browser of user agents: of well-known ones one by one, of 4,000 real ones by their shares."""

from __future__ import annotations

from collections import Counter
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from real_data import needs_real_data, real_user_agents
from tracking.visitors import DEVICES, UserAgent, parse_user_agent
from tracking.visitors.limits import HEADER_CHARACTERS_MAX
from tracking.visitors.user_agents import FAMILY_CHARACTERS_MAX

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
KNOWN = [
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36", "desktop", "Windows", "Chrome"),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/138.0", "desktop", "Windows", "Edge"),
    (
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Version/18.5 Safari/605.1.15",
        "desktop",
        "Mac OS X",
        "Safari",
    ),
    ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0", "desktop", "Ubuntu", "Firefox"),
    (
        "Mozilla/5.0 (X11; U; Linux i686; en-US; rv:1.9.2.13) Gecko/20101209 CentOS/3.6-2.el5.centos Firefox/3.6.13",
        "desktop",
        "CentOS",
        "Firefox",
    ),
    (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_CHROME} Safari/537.36", "desktop", "Chrome OS", "Chrome"),
    ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)", "desktop", "Windows", "IE"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36", "phone", "Android", "Chrome Mobile"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Safari/537.36", "tablet", "Android", "Chrome"),
    (f"Mozilla/5.0 (Linux; Android 14; SM-S928B) {_CHROME} Mobile Safari/537.36", "phone", "Android", "Chrome Mobile"),
    (f"Mozilla/5.0 (Linux; Android 13; SM-X900) {_CHROME} Safari/537.36", "tablet", "Android", "Chrome"),
    ("Mozilla/5.0 (Android 14; Tablet; rv:139.0) Gecko/139.0 Firefox/139.0", "tablet", "Android", "Firefox Mobile"),
    ("Mozilla/5.0 (Android 14; Mobile; rv:139.0) Gecko/139.0 Firefox/139.0", "phone", "Android", "Firefox Mobile"),
    ("Dalvik/2.1.0 (Linux; U; Android 12; SM-A525F Build/SP1A)", "phone", "Android", "Android"),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_SAFARI} Version/18.5 Mobile/15E148 Safari/604.1",
        "phone",
        "iOS",
        "Mobile Safari",
    ),
    (
        f"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {_SAFARI} Version/16.6 Mobile/15E148 Safari/604.1",
        "tablet",
        "iOS",
        "Mobile Safari",
    ),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {_SAFARI} CriOS/126.0 Mobile/15E148 Safari/604.1",
        "phone",
        "iOS",
        "Chrome Mobile iOS",
    ),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {_SAFARI} Mobile/15E148 [FBAN/FBIOS;FBAV/470.0]",
        "phone",
        "iOS",
        "Facebook",
    ),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {_SAFARI} Mobile/15E148 Instagram 339.0.3.12",
        "phone",
        "iOS",
        "Instagram",
    ),
    (
        "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0; NOKIA; Lumia 920)",
        "phone",
        "Windows Phone",
        "IE Mobile",
    ),
    ("HTC_Touch_3G Mozilla/4.0 (compatible; MSIE 6.0; Windows CE; IEMobile 7.11)", "phone", "Windows", "IE Mobile"),
    ("Nokia6120cEM7D.03/SymbianOS/9.1 Series60/3.0", "phone", "Symbian OS", "Nokia Services (WAP) Browser"),
    ("Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709; U; en) Presto/2.8.119", "phone", "", "Opera Mini"),
    (f"Mozilla/5.0 (Web0S; Linux/SmartTV) {_CHROME} Safari/537.36", "tv", "Web0S", "Chrome"),
    (
        f"Mozilla/5.0 (Linux; Android 9; AFTKA Build/PS7633) {_CHROME} Mobile Safari/537.36",
        "tv",
        "Android",
        "Chrome Mobile",
    ),
    ("Roku/DVP-5.0 (025.00E08043A)", "tv", "Roku", "Roku"),
    ("Opera/9.80 (Linux sh4; U; HbbTV/1.1.1 (;;;;;); CE-HTML) Presto/2.9.167 Version/11.50", "tv", "Linux", "HbbTV"),
    (
        "Mozilla/5.0 (PlayStation; PlayStation 5/9.00) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        "console",
        "",
        "Apple Mail",
    ),
    (
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) {_CHROME} Safari/537.36 Edge/44",
        "console",
        "Windows",
        "Edge",
    ),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot", "", "Googlebot"),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "bot", "", "FacebookBot"),
    ("curl/8.5.0", "other", "", "curl"),
    ("aws-sdk-java/1.11.129 Linux/4.4.35 OpenJDK_64-Bit_Server_VM/25.141", "other", "Linux", "aws-sdk-java"),
    ("", "other", "", ""),
    ("x", "other", "", ""),
]


@pytest.mark.parametrize(("agent", "device", "os", "browser"), KNOWN, ids=[case[0][:60] for case in KNOWN])
def test_a_well_known_agent_is_what_it_is(agent: str, device: str, os: str, browser: str) -> None:
    assert parse_user_agent(agent) == UserAgent(device, os, browser)


@needs_real_data
def test_real_agents_are_mostly_known() -> None:
    agents = real_user_agents()
    parsed = [parse_user_agent(agent) for agent in agents]
    assert len(agents) == 4000
    devices = Counter(each.device for each in parsed)
    assert set(devices) <= set(DEVICES)
    # The list has many old phones, which name no system and no browser.
    assert devices["other"] < 60
    assert devices["phone"] > 3000
    assert sum(not each.os for each in parsed) < 1400
    assert sum(not each.browser for each in parsed) < 800
    systems = [each.os for each in parsed if each.device == "desktop"]
    assert all(systems)


@needs_real_data
def test_no_real_agent_is_longer_than_what_is_parsed() -> None:
    assert max(map(len, real_user_agents())) <= HEADER_CHARACTERS_MAX


@given(st.text(st.characters(max_codepoint=255), max_size=3000))
def test_any_bytes_are_parsed_to_short_printable_names(agent: str) -> None:
    device, os, browser = parse_user_agent(agent)
    assert device in DEVICES
    assert all(len(name) <= FAMILY_CHARACTERS_MAX and name.isascii() for name in (os, browser))
    assert (os + browser).isprintable()


@pytest.mark.parametrize("part", ["a", "Mozilla/5.0 (", "; AFT", "Linux; Android 10; ", "philips ", "x \xff", "(;"])
def test_a_hostile_agent_of_64_kilobytes_costs_no_more_than_its_beginning(part: str) -> None:
    whole = part * (65_536 // len(part))
    parse_user_agent("warm")
    began = perf_counter()
    answer = parse_user_agent(whole)
    # A millisecond on a quiet machine; without the limit one of them takes seconds.
    assert perf_counter() - began < 0.5
    assert answer == parse_user_agent(whole[:HEADER_CHARACTERS_MAX])
