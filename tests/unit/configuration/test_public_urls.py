"""The addresses shown to the operator: on this machine with ports, under a tracking domain as its proxy has them."""

from __future__ import annotations

import pytest

from admin_api.resources import Addresses

LOCAL = (None, "localhost", "shop.localhost")


@pytest.mark.parametrize("domain", LOCAL)
def test_on_this_machine_clicks_go_to_the_edge_and_postbacks_to_the_intake(domain: str | None) -> None:
    shown = Addresses("https", 8080, 8083)
    host = domain or "127.0.0.1"
    assert shown.link_url(domain, "s") == f"http://{host}:8080/click/s"
    assert shown.postback_urls(domain, "t")["json"] == f"http://{host}:8083/postback/t"


@pytest.mark.parametrize("domain", LOCAL)
def test_without_an_intake_postbacks_go_to_the_edge(domain: str | None) -> None:
    assert Addresses("https", 8080, 0).postback_urls(domain, "t")["json"].endswith(":8080/postback/t")


def test_behind_a_proxy_the_tracking_domain_takes_both() -> None:
    shown = Addresses("https", 8080, 8083)
    assert shown.link_url("go.example.org", "s") == "https://go.example.org/click/s"
    assert shown.postback_urls("go.example.org", "t")["json"] == "https://go.example.org/postback/t"
