"""Requests as crawlers, shared posts and people really send them, through edge, spool and workers to their counts."""

from __future__ import annotations

from running_stack import Stack
from waiting import wait_until
from world import World

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.23.20.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
)
SERVERS = 50


def from_address(number: int, agent: str) -> dict[str, str]:
    """Return the headers of a visitor, as the proxy in front of the edge sends them on."""
    return {"User-Agent": agent, "X-Forwarded-For": f"198.51.100.{number}"}


def test_a_link_that_is_shared_counts_people_and_keeps_everything_else(world: World, stack: Stack) -> None:
    link = world.link()
    before = _day(stack, link)["classes"]["head"] if _days(stack, link) else 0
    # A post on X: one GET and three HEAD of its card fetcher.
    world.click(link, **{"User-Agent": "Twitterbot/1.0"})
    for _ in range(3):
        stack.edge(link["path"], link["host"], "HEAD", {"User-Agent": "Twitterbot/1.0"})
    # A post on Mastodon: each server that gets it fetches the link, all within a minute.
    for number in range(SERVERS):
        agent = f"Mastodon/4.3.0 (http.rb/5.2.0; +https://server-{number}.example/)"
        world.click(link, **from_address(100 + number, agent))
    for agent in CRAWLERS:
        world.click(link, **{"User-Agent": agent})
    # Chrome loads the page in advance, then the person clicks, twice; and another person clicks.
    world.click(link, **from_address(1, CHROME), **{"Sec-Purpose": "prefetch;prerender"})
    world.click(link, **from_address(1, CHROME))
    world.click(link, **from_address(1, CHROME))
    last = world.click(link, **from_address(2, FIREFOX))
    stack.await_click(last)
    stack.await_settled()

    def counted() -> bool:
        classes = _day(stack, link)["classes"]
        return bool(classes["duplicate"] == 1 and classes["head"] >= before + 3)

    wait_until(counted, what="the clicks to be settled")
    day = _day(stack, link)
    assert (day["net"], day["uniques"]) == (2, 2)
    assert day["classes"]["bot"] == 1 + SERVERS + len(CRAWLERS)
    assert (day["classes"]["prefetch"], day["classes"]["duplicate"], day["classes"]["rate"]) == (1, 1, 0)
    assert day["gross"] == sum(day["classes"].values())
    assert stack.api("GET", "/v1/issues?kind=counts-differ").json["items"] == []


def test_a_list_that_the_operator_changes_reaches_stored_clicks(world: World, stack: Stack) -> None:
    link = world.link()
    click_id = world.click(link, **{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Acme-Reader/3"})
    assert stack.await_click(click_id)["click"]["class"] == "valid"
    changed = stack.api("PATCH", "/v1/traffic-lists", {"bot_agents": ["acme-reader"]})
    assert changed.status == 200, changed
    wait_until(
        lambda: stack.await_click(click_id)["click"]["class"] == "bot", 60, what="the stored click to be classed anew"
    )
    (run, *_) = stack.api("GET", "/v1/class-runs").json["items"]
    assert run["requested_by"] == "lists"
    stack.api("PATCH", "/v1/traffic-lists", {"bot_agents": []})


def _days(stack: Stack, link: dict[str, object]) -> list[dict[str, dict[str, int]]]:
    found: list[dict[str, dict[str, int]]] = stack.api("GET", f"/v1/links/{link['link_id']}/traffic").json["days"]
    return found


def _day(stack: Stack, link: dict[str, object]) -> dict[str, dict[str, int]]:
    """Return the newest day of a link."""
    return _days(stack, link)[0]
