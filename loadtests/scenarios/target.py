"""What a run is aimed at: tracking links and a postback URL, made by the admin API or given by the operator."""

from __future__ import annotations

import json
import secrets
from argparse import Namespace
from bisect import bisect
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from random import random
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import urllib3

from tracking.runtime import WaypostError

_LIVE_WAIT_S = 60
_TIMEOUT = urllib3.Timeout(connect=5, read=30)


class TargetError(WaypostError):
    """There is nothing to aim at; the message says what to give."""

    code = "no-target"


@dataclass(frozen=True, slots=True)
class Link:
    """One tracking link: its path, and the Host that it answers on."""

    host: str
    path: str


@dataclass(frozen=True, slots=True)
class Target:
    """Links in order of popularity. Without `postback_path` no postbacks are sent."""

    links: tuple[Link, ...]
    postback_path: str | None
    weights: tuple[float, ...] = field(repr=False)

    def link(self) -> Link:
        """Return a link drawn by Zipf's law: the n-th most popular has 1/n of the first one's clicks."""
        return self.links[bisect(self.weights, random() * self.weights[-1], hi=len(self.links) - 1)]


def find_target(options: Namespace) -> Target:
    """Return the target that the command line names, or raise TargetError."""
    if options.urls:
        links = read_urls(Path(options.urls).read_text())
        path = f"/postback/{options.postback_token}" if options.postback_token else None
        return _target(links, path)
    token = options.api_token or _token_of(options.api_token_file)
    return _provision(options.api, token, options.links)


def await_live(target: Target, base_url: str) -> None:
    """Return once the edge knows the link made last. Raises TargetError."""
    link = target.links[-1]
    deadline = monotonic() + _LIVE_WAIT_S
    with urllib3.PoolManager(timeout=_TIMEOUT, retries=False, headers={"Host": link.host}) as client:
        while True:
            try:
                status = client.request("HEAD", f"{base_url}{link.path}", redirect=False).status
            except urllib3.exceptions.HTTPError as error:
                raise TargetError(f"no edge answers at {base_url}; give --host") from error
            if status < 400:
                return
            if monotonic() > deadline:
                raise TargetError(f"{base_url} answers {status} for {link.host}{link.path}")
            sleep(0.1)


def read_urls(text: str) -> list[Link]:
    """Return the links of a list, one URL a line, `#` for remarks. Raises TargetError."""
    links = []
    for number, line in enumerate(text.splitlines(), 1):
        url = line.partition("#")[0].strip()
        if not url:
            continue
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or not parts.path.strip("/"):
            raise TargetError(f"line {number} of the list of links is no tracking URL: {url!r}")
        links.append(Link(parts.netloc, parts.path))
    if not links:
        raise TargetError("the list of links is empty")
    return links


def _target(links: list[Link], postback_path: str | None) -> Target:
    weights = tuple(accumulate(1 / rank for rank in range(1, len(links) + 1)))
    return Target(tuple(links), postback_path, weights)


def _token_of(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise TargetError(
            f"cannot read {path} ({error.strerror}): give --api-token, --api-token-file, or --urls with a list of links"
        ) from error


def _provision(api: str, token: str, count: int) -> Target:
    """Make a profile, a merchant and links by the admin API."""
    run = secrets.token_hex(3)
    with urllib3.PoolManager(timeout=_TIMEOUT, headers={"Authorization": f"ApiKey {token}"}) as client:
        profile = _create(client, api, "profiles", {"name": f"Load {run}", "domain": f"load-{run}.localhost"})
        merchant = _create(client, api, "merchants", {"name": f"Load {run}", "postback_auth": "token"})
        links = []
        for number in range(count):
            body = {
                "name": f"Load {run} {number}",
                "profile_id": profile["profile_id"],
                "merchant_id": merchant["merchant_id"],
                "destination_url": "https://shop.example/?click_id={click_id}&s={sub1}",
            }
            link = _create(client, api, "links", body)
            links.append(Link(profile["domain"], f"/click/{link['slug']}"))
    return _target(links, f"/postback/{merchant['postback_token']}")


def _create(client: urllib3.PoolManager, api: str, plural: str, body: dict[str, Any]) -> Any:
    try:
        reply = client.request("POST", f"{api}/v1/{plural}", json=body)
    except urllib3.exceptions.HTTPError as error:
        raise TargetError(f"no admin API answers at {api}; start the stack with `make up`, or give --api") from error
    if reply.status != 201:
        raise TargetError(f"the admin API at {api} answered {reply.status}: {reply.data.decode(errors='replace')}")
    return json.loads(reply.data)
