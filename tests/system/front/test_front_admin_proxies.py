"""The proxies of the control host: admin API and live stream under one name, and events that are not held back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from event_streams import open_stream
from front_proxy import Front, running
from front_proxy import write_nginx_main as write_main
from running_stack import Stack
from tools import require_tool
from waiting import free_port

ROOT = Path(__file__).resolve().parents[3]
NGINX_SITE = ROOT / "deploy" / "nginx" / "waypost-admin.conf"
CADDYFILE = ROOT / "deploy" / "caddy" / "admin.Caddyfile"


@contextmanager
def nginx(home: Path, stack: Stack) -> Iterator[Front]:
    program = require_tool("nginx-light", "nginx")
    home.chmod(0o755)
    port = free_port()
    site, listens = re.subn(r"listen 80;", f"listen 127.0.0.1:{port};", NGINX_SITE.read_text())
    site, admins = re.subn(r"server 127\.0\.0\.1:8081;", f"server 127.0.0.1:{stack.admin_port};", site)
    site, streams = re.subn(r"server 127\.0\.0\.1:8084;", f"server 127.0.0.1:{stack.stream_port};", site)
    assert (listens, admins, streams) == (1, 1, 1)
    (home / "waypost.conf").write_text(site)
    with running([program, "-c", str(write_main(home)), "-p", str(home)], home, port, "nginx") as front:
        yield front


@contextmanager
def caddy(home: Path, stack: Stack) -> Iterator[Front]:
    program = require_tool("caddy", "caddy")
    port = free_port()
    path = home / "Caddyfile"
    path.write_text("{\n\tadmin off\n}\n" + CADDYFILE.read_text())
    environ = {
        **{name: str(home) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")},
        "WAYPOST_ADMIN_SITE": f"http://127.0.0.1:{port}",
        "WAYPOST_ADMIN": f"127.0.0.1:{stack.admin_port}",
        "WAYPOST_STREAM": f"127.0.0.1:{stack.stream_port}",
    }
    command = [program, "run", "--config", str(path), "--adapter", "caddyfile"]
    with running(command, home, port, "caddy", environ) as front:
        yield front


@pytest.mark.parametrize("proxy", [nginx, caddy], ids=["nginx", "caddy"])
def test_events_pass_as_they_come_and_the_admin_api_is_beside_them(proxy: object, stack: Stack, tmp_path: Path) -> None:
    async def first_event(port: int) -> None:
        stream = await open_stream(port, stack.token, "?types=loss-meter")
        assert stream.status == 200
        # The stream stays open, so a proxy that collects answers would pass nothing on.
        assert (await stream.until("loss-meter")).data["difference"] == 0
        stream.close()

    with proxy(tmp_path, stack) as front:  # type: ignore[operator]
        asyncio.run(first_event(front.port))
        url = f"http://127.0.0.1:{front.port}"
        headers = {"Authorization": f"ApiKey {stack.token}"}
        assert urllib3.request("GET", f"{url}/v1/links", headers=headers, retries=False).status == 200
        assert urllib3.request("GET", f"{url}/v1/links", retries=False).status == 401
