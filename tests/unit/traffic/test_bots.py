"""Which user agents declare a bot. The agents are real; beside each is where it is documented or was seen."""

from __future__ import annotations

import gzip
import re
from time import perf_counter

import pytest

from real_data import REAL_DATA, needs_real_data, real_user_agents
from tracking.traffic import TrafficClass, TrafficLists, class_of_facts, is_declared_bot, patterns_version

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
# What fetches a link that somebody shares, and what crawls.
DECLARED = {
    # https://developer.x.com/en/docs/twitter-for-websites/cards/guides/troubleshooting-cards
    "X": "Twitterbot/1.0",
    # https://docs.joinmastodon.org/ (app/lib/request.rb of mastodon/mastodon writes it)
    "Mastodon": "Mastodon/4.3.0 (http.rb/5.2.0; +https://mastodon.example/)",
    # https://api.slack.com/robots
    "Slack links": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack images": "Slack-ImgProxy (+https://api.slack.com/robots)",
    # https://developers.facebook.com/docs/whatsapp/link-previews/ and logs
    "WhatsApp": "WhatsApp/2.23.20.0",
    # https://developers.facebook.com/docs/sharing/webmasters/web-crawlers/
    "Facebook": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Meta": "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    # https://core.telegram.org/bots/webapps and logs
    "Telegram": "TelegramBot (like TwitterBot)",
    # https://support.discord.com/hc/en-us (link embeds) and logs
    "Discord": "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    # https://www.linkedin.com/robots.txt
    "LinkedIn": "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    # https://developers.google.com/search/docs/crawling-indexing/google-common-crawlers
    "Google": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Google for phones": (
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/126.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    ),
    # https://developers.google.com/search/docs/crawling-indexing/google-special-case-crawlers
    "Google's ads": "AdsBot-Google (+http://www.google.com/adsbot.html)",
    # https://www.bing.com/webmasters/help/which-crawlers-does-bing-use-8c184ec0
    "Bing": (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
        " Chrome/116.0.1938.76 Safari/537.36"
    ),
    # https://support.apple.com/en-us/119829
    "Apple": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1"
        " Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)"
    ),
    # Seen in a log of 2015; they are not in the package's list.
    "feedparser": "UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/",
    "Ezooms": "Mozilla/5.0 (compatible; Ezooms/1.0; help@moz.com)",
    "Beetle": "Mozilla/5.0 (compatible; BeetleBot; )",
    "Chef": "Chef Client/10.18.2 (ruby-1.9.3-p327; ohai-6.16.0; x86_64-linux; +http://opscode.com)",
    "curl": "curl/8.5.0",
    "Python": "python-requests/2.32.3",
}
# People's: words that look like a bot's, and apps that open links for people.
PERSONAL = {
    "Chrome": CHROME,
    "Cubot, a phone": (
        "Mozilla/5.0 (Linux; Android 4.2.2; CUBOT C9+ Build/JDQ39) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/31.0.1650.59 Mobile Safari/537.36"
    ),
    "Ecosia, with an @": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 16_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
        " Safari/605.1.15 (Ecosia ios@8.1.3.72)"
    ),
    "Facebook's app": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
        " [FBAN/FBIOS;FBAV/470.0.0.41.83;FBBV/618017543;FBDV/iPhone14,5]"
    ),
    "X's app": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
        " Mobile/15E148 Safari/604.1 Twitter for iPhone/10.48"
    ),
}
LOG_LINE = re.compile(r'\S+ \S+ \S+ \[[^\]]*\] "(\S*) .*?" \d+ \S+ ".*?" "(.*)"$')


@pytest.mark.parametrize("name", DECLARED)
def test_whoever_declares_a_bot_is_one(name: str) -> None:
    assert is_declared_bot(DECLARED[name])


@pytest.mark.parametrize("name", PERSONAL)
def test_people_are_none(name: str) -> None:
    assert not is_declared_bot(PERSONAL[name])


def test_a_request_without_an_agent_is_a_bots() -> None:
    assert is_declared_bot("")


def test_an_endless_agent_costs_no_more_than_its_beginning() -> None:
    started = perf_counter()
    for number in range(100):
        assert not is_declared_bot(f"{CHROME} {number} " + "Googlebo" * 8192)
        is_declared_bot("a" * 1000 + str(number) + "(" * 65_536)
    # 200 agents of 64 KB. Python's `re` takes a minute for such texts with nested repetitions.
    assert perf_counter() - started < 2


def test_the_version_tells_the_list_of_patterns() -> None:
    assert re.fullmatch("[0-9a-f]{12}", patterns_version())


@needs_real_data
def test_a_real_log_has_its_crawlers_and_no_person_among_them() -> None:
    agents = set()
    with gzip.open(REAL_DATA / "access.log.gz", "rt", encoding="latin-1") as lines:
        for line in lines:
            found = LOG_LINE.match(line.rstrip("\n"))
            assert found is not None
            agents.add(found[2])
    named = re.compile(r"bot\b|crawl|spider|slurp|feed|https?://", re.IGNORECASE)
    left = {agent for agent in agents if named.search(agent) and not is_declared_bot(agent)}
    assert left == {
        # Programs on people's own computers, which give an address but say that they are no crawler.
        "Liferea/1.8.3 (Linux; en_GB.UTF-8; http://liferea.sf.net/)",
        # Sends HEAD alone.
        "distilator/0.1 (http://people.freebsd.org/~ehaupt/distilator/)",
        "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1; http://www.tropicdesigns.net)",
        "Mozilla/5.0 (compatible; Google Desktop/5.9.1005.12335; http://desktop.google.com/)",
    }


@needs_real_data
def test_of_4000_real_agents_no_phone_is_a_bot() -> None:
    phones = [agent for agent in real_user_agents() if re.search("CUBOT|iPhone;|SAMSUNG|BlackBerry", agent)]
    wrong = [
        agent
        for agent in phones
        if is_declared_bot(agent) and not re.search("(?i)bot|crawl|spider|http|whatsapp", agent)
    ]
    assert phones
    assert wrong == []


@pytest.mark.parametrize(
    ("method", "purpose", "bot", "datacenter", "expected"),
    [
        ("GET", "", False, False, TrafficClass.VALID),
        ("GET", "something else", False, False, TrafficClass.VALID),
        ("HEAD", "prefetch", True, True, TrafficClass.HEAD),
        # Chrome: https://developer.chrome.com/docs/web-platform/prerender-pages and the Sec-Purpose header of Fetch.
        ("GET", "prefetch", True, True, TrafficClass.PREFETCH),
        ("GET", "prefetch;prerender", False, False, TrafficClass.PREFETCH),
        ("GET", "prefetch;anonymous-client-ip", False, False, TrafficClass.PREFETCH),
        # Safari's top sites, in X-Purpose's days.
        ("GET", "Preview", False, False, TrafficClass.PREFETCH),
        ("GET", "", True, True, TrafficClass.BOT),
        ("GET", "", False, True, TrafficClass.DATACENTER),
    ],
)
def test_the_first_class_that_fits_counts(
    method: str, purpose: str, bot: bool, datacenter: bool, expected: TrafficClass
) -> None:
    assert class_of_facts(method, purpose, bot, datacenter) is expected


def test_the_operator_adds_and_exempts_agents() -> None:
    lists = TrafficLists(bot_agents=["AcmeMonitor"], exempt_agents=["slackbot"], revision=3)
    assert lists.is_bot("acmemonitor/2.0")
    assert not lists.is_bot(DECLARED["Slack links"])
    assert lists.is_bot(DECLARED["Slack images"])
    assert lists.version == f"3-{patterns_version()}"


def test_data_centres_are_known_by_number_network_and_database() -> None:
    lists = TrafficLists(networks=["198.51.100.0/24", "203.0.113.64/26", "2001:db8:1::/48"], asns=[64500])
    assert lists.is_datacenter("192.0.2.1", 64500, "")
    assert lists.is_datacenter("198.51.100.9", 0, "")
    assert lists.is_datacenter("2001:db8:1::7", 0, "")
    assert lists.is_datacenter("192.0.2.1", 0, "hosting")
    # People come through these.
    assert not lists.is_datacenter("192.0.2.1", 0, "vpn")
    assert not lists.is_datacenter("203.0.113.9", 1, "")
    assert not lists.is_datacenter("", 0, "")


@pytest.mark.parametrize("before", [True, False])
def test_a_truncated_address_is_judged_as_far_as_it_goes(before: bool) -> None:
    lists = TrafficLists(networks=["198.51.0.0/16", "203.0.113.64/26", "2001:db8:1::/56"], asns=[64500])
    assert lists.was_datacenter("198.51.100.0", 0, "", before)
    assert lists.was_datacenter(None, 64500, "", before)
    # The network is a part of what is left of the address, or nothing is left: it stays as it was.
    assert lists.was_datacenter("203.0.113.0", 0, "", before) is before
    assert lists.was_datacenter("2001:db8:1::", 0, "", before) is before
    assert lists.was_datacenter(None, 0, "", before) is before
    assert not lists.was_datacenter("203.0.113.9", 0, "", before)
    assert not lists.was_datacenter("192.0.2.0", 0, "", before)
    assert not TrafficLists().was_datacenter(None, 0, "", before)
