"""What the demo's traffic runs on: profiles of all redirect types, a merchant, a source and links, made by the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadtests.demo.api import AdminApi, ApiError

# Domains under .localhost reach this machine from any browser without DNS.
_PROFILES = (
    ("Demo", "track.localhost", "302"),
    ("Demo, permanent", "moved.localhost", "301"),
    ("Demo, page with pixels", "page.localhost", "js"),
)
_LINKS: tuple[tuple[str, int, str, dict[str, str]], ...] = (
    (
        "Spring bonus",
        0,
        "https://example.com/spring?click_id={click_id}&s={sub1}",
        {"sub3": "newsletter"},
    ),
    ("Review page", 0, "https://example.com/reviews/{sub2}?click_id={click_id}", {}),
    (
        "Banner 300x250",
        0,
        "https://example.com/?click_id={click_id}&creative={sub2}&country={country}",
        {"sub4": "300x250"},
    ),
    ("Old brochure", 1, "https://example.com/brochure?click_id={click_id}", {}),
    (
        "Landing page",
        2,
        "https://example.com/landing?click_id={click_id}&from={referrer}",
        {"sub5": "page"},
    ),
    ("App install", 0, "https://example.com/app?click_id={click_id}&x={x}", {}),
)


@dataclass(frozen=True, slots=True)
class DemoLink:
    """One link as the edge answers for it."""

    name: str
    host: str
    slug: str
    url: str
    redirect_type: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything made for one run. Links come in order of popularity."""

    links: tuple[DemoLink, ...]
    postback_token: str


def set_scene(api: AdminApi, run: str) -> Scene:
    """Create what the demo needs and return it. Profiles of an earlier run are used again, everything else is new."""
    profiles = [_profile(api, *wanted) for wanted in _PROFILES]
    merchant = api.create(
        "/v1/merchants",
        {"name": f"Demo merchant {run}", "postback_auth": "token", "currency": "USD"},
    )
    source = api.create("/v1/sources", {"name": f"Demo source {run}", "prefix": "DP"})
    links = []
    for name, which, destination_url, subs in _LINKS:
        profile = profiles[which]
        body = {
            "name": f"{name} {run}",
            "profile_id": profile["profile_id"],
            "merchant_id": merchant["merchant_id"],
            "source_id": source["source_id"],
            "destination_url": destination_url,
        }
        link = api.create("/v1/links", body | subs)
        links.append(
            DemoLink(
                name,
                profile["domain"],
                link["slug"],
                link["url"],
                profile["redirect_type"],
            )
        )
    return Scene(tuple(links), merchant["postback_token"])


def _profile(api: AdminApi, name: str, domain: str, redirect_type: str) -> dict[str, Any]:
    wanted = {
        "name": name,
        "redirect_type": redirect_type,
        "active": True,
        "click_expiry_days": 30,
    }
    try:
        return dict(api.create("/v1/profiles", wanted | {"domain": domain}))
    except ApiError as error:
        if error.code != "domain-taken":
            raise
    found = next(profile for profile in api.each("/v1/profiles") if profile["domain"] == domain)
    if all(found[key] == value for key, value in wanted.items()):
        return dict(found)
    return dict(api.change(f"/v1/profiles/{found['profile_id']}", wanted))
