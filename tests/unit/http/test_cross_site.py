"""Requests that another site makes a browser send are refused; those of our own pages and of programs are not."""

from __future__ import annotations

import falcon
import pytest
from falcon.testing import create_req

from admin_api.http.addresses import client_address
from admin_api.http.cross_site import refuse_cross_site
from admin_api.http.errors import CrossSiteError

HOST = {"Host": "waypost.example:8081"}


def refused(method: str, *, by_cookie: bool = True, **headers: str) -> bool:
    given = HOST | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        refuse_cross_site(create_req(method=method, headers=given), by_cookie=by_cookie)
    except CrossSiteError:
        return True
    return False


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "PROPFIND"])
@pytest.mark.parametrize(
    ("site", "ours"),
    [("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False), ("", False), ("x", False)],
)
def test_a_browser_says_from_which_site_a_change_comes(method: str, site: str, ours: bool) -> None:
    assert refused(method, Sec_Fetch_Site=site, Origin="https://waypost.example:8081") is not ours


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        ("https://waypost.example:8081", True),
        ("http://WAYPOST.example:8081", True),
        ("https://waypost.example", False),
        ("https://waypost.example:8081.evil.example", False),
        ("https://evil.example", False),
        ("https://waypost.example:8081@evil.example", False),
        ("null", False),
        ("", False),
        ("file://waypost.example:8081", False),
        ("https://[", False),
        ("https://waypost.example:8081, https://evil.example", False),
    ],
)
def test_an_older_browser_says_only_its_origin(origin: str, ours: bool) -> None:
    assert refused("POST", Origin=origin) is not ours


def test_without_either_header_only_a_request_without_a_cookie_passes() -> None:
    assert refused("POST")
    assert not refused("POST", by_cookie=False)
    assert refused("POST", by_cookie=False, Sec_Fetch_Site="cross-site")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_changes_nothing_so_it_may_come_from_anywhere(method: str) -> None:
    assert not refused(method, Sec_Fetch_Site="cross-site", Origin="https://evil.example")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1, 203.0.113.9", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.1"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "nonsense", "192.0.2.1"),
        (1, "fe80::1%eth0", "192.0.2.1"),
        (1, "", "192.0.2.1"),
    ],
)
def test_only_what_our_own_proxies_append_is_believed(proxies: int, forwarded: str, address: str) -> None:
    req: falcon.Request = create_req(headers={"X-Forwarded-For": forwarded}, remote_addr="192.0.2.1")
    assert client_address(req, proxies) == address
