"""The JavaScript page in a real browser: it fires the pixels and lands on the destination, hostile values and all."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from running_stack import Stack, unique
from tools import require_tool
from waiting import wait_until
from world import World

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Destination(ThreadingHTTPServer):
    """A merchant's site on this machine that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Destination)
        self.server.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>arrived</title>")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet."""


@pytest.fixture
def destination() -> Iterator[Destination]:
    with Destination() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> str:
    """Return a Chromium, installed by apt where we may; in CI one has to be had."""
    return require_tool("chromium", *BROWSERS)


def visit(browser: str, url: str, profile: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [
        *(browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
        *(f"--user-data-dir={profile}", *options, url),
    ]
    with (profile.parent / "browser.log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


@pytest.mark.parametrize("options", [[], ["--blink-settings=scriptEnabled=false"]], ids=["script", "noscript"])
def test_the_page_lands_on_the_destination(
    world: World, stack: Stack, browser: str, destination: Destination, tmp_path: Path, options: list[str]
) -> None:
    profile = stack.create(
        "/v1/profiles",
        {
            "name": "page",
            "domain": f"{unique('page')}.localhost",
            "redirect_type": "js",
            "pixels": [f"{destination.url}/pixel.gif?a=1&b=2", f"{destination.url}/tag.js"],
            "pixel_timeout_ms": 2000,
        },
    )
    template = f"{destination.url}/landed/{{x}}?c={{click_id}}&s={{sub1}}&u={{user_agent}}"
    body = {
        "profile_id": profile["profile_id"],
        "merchant_id": world.merchant["merchant_id"],
        "destination_url": template,
    }
    path = f"/click/{stack.create('/v1/links', body)['slug']}"
    wait_until(lambda: stack.edge(path, profile["domain"]).status == 200, what="the link to be live")
    hostile = "%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%0D%0A"
    url = f"http://{profile['domain']}:{stack.edge_port}{path}?sub1={hostile}&x=caf%C3%A9"
    process = visit(browser, url, tmp_path / "profile", *options)
    try:
        landed = wait_until(
            lambda: next((seen for seen in destination.seen if seen.startswith("/landed/")), None),
            60,
            "the browser to land",
        )
    finally:
        process.terminate()
        process.wait(20)
    query = parse_qs(urlsplit(landed).query)
    assert urlsplit(landed).path == "/landed/caf%C3%A9"
    assert query["s"] == ["</script><script>alert(1)</script>\"'\r\n"]
    assert "Chrome" in query["u"][0]
    click = stack.await_click(query["c"][0])["click"]
    # A browser without a screen says so in its agent.
    kind = "bot" if "Headless" in query["u"][0] else "valid"
    assert (click["class"], click["sub1"]) == (kind, "</script><script>alert(1)</script>\"'\r\n")
    if not options:
        assert {"/pixel.gif?a=1&b=2", "/tag.js"} <= set(destination.seen)
