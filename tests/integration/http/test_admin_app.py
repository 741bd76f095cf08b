"""What holds for every route of the admin API: who may call, what a body may be, and what is answered in an outage."""

from __future__ import annotations

import warnings
from urllib.parse import urlsplit
from wsgiref.validate import WSGIWarning

import pytest
from falcon.testing import Result

from admin_client import AdminClient, admin_client, connect
from config.configuration import hash_token
from relay import relay_to
from waiting import wait_until

ROUTES = [
    *[(method, path) for path in ("/v1/profiles", "/v1/links") for method in ("GET", "POST")],
    *[(method, "/v1/links/1") for method in ("GET", "PATCH", "DELETE")],
    ("POST", "/v1/merchants/1/tokens"),
    ("GET", "/v1/clicks/x"),
    ("GET", "/v1/ledger"),
    ("GET", "/nothing/here"),
]


def problem(result: Result) -> tuple[int, str]:
    """Return status and code of an answer that must be a problem."""
    assert result.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in result.text
    assert result.json["status"] == result.status_code
    return result.status_code, result.json["code"]


def test_without_a_valid_token_every_route_is_401(admin: AdminClient) -> None:
    wrong = ["", "ApiKey", "ApiKey ", "Basic eDp5", "Bearer nonsense", "wp_x", "ApiKey é", "ApiKey " + "x" * 999]
    for headers in ({}, *({"Authorization": header} for header in wrong)):
        for method, path in ROUTES:
            result = admin.web.simulate_request(method, path, headers=headers)
            assert problem(result) == (401, "bad-token"), (headers, path)
            assert "ApiKey" in result.headers["www-authenticate"]


def test_both_schemes_are_accepted_in_any_case(admin: AdminClient) -> None:
    for scheme in ("ApiKey", "Bearer", "apikey", "BEARER"):
        result = admin.web.simulate_get("/v1/links", headers={"Authorization": f"{scheme} {admin.token}"})
        assert result.status_code == 200


@pytest.mark.parametrize("change", ["revoked_at = now()", "expires_at = now() - interval '1 second'"])
def test_a_revoked_or_expired_token_stops_working_at_once(admin: AdminClient, database_url: str, change: str) -> None:
    assert admin.request("GET", "/v1/links").status_code == 200
    with connect(database_url) as database:
        database.execute(f"update api_tokens set {change} where token_hash = %s", [hash_token(admin.token)])
    assert problem(admin.request("GET", "/v1/links")) == (401, "bad-token")


def test_health_and_metrics_need_no_token(admin: AdminClient) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert admin.web.simulate_get(path).status_code == 200


BAD_BODIES = [
    (b"", "application/json", (400, "bad-body")),
    (b"{", "application/json", (400, "bad-body")),
    (b"[]", "application/json", (400, "bad-body")),
    (b"null", "application/json", (400, "bad-body")),
    (b'"x"', "application/json", (400, "bad-body")),
    (b"\xff\xfe", "application/json", (400, "bad-body")),
    (b'{"name":"\\ud800"}', "application/json", (400, "bad-body")),
    (b'{"name":NaN}', "application/json", (400, "invalid-field")),
    (b"[" * 5000, "application/json", (400, "bad-body")),
    (b'{"name":"a\\u0000b"}', "application/json", (400, "invalid-field")),
    (b"name=x", "application/x-www-form-urlencoded", (415, "unsupported-media-type")),
    (b"<x/>", "text/xml", (415, "unsupported-media-type")),
    (b'{"name":"' + b"x" * 70_000 + b'"}', "application/json", (413, "too-large")),
]


def test_a_bad_body_is_refused(admin: AdminClient) -> None:
    path = f"/v1/sources/{admin.created('sources', name='S')['source_id']}"
    for method, route in (("POST", "/v1/sources"), ("PATCH", path)):
        for body, content_type, answer in BAD_BODIES:
            headers = {"Authorization": f"ApiKey {admin.token}", "Content-Type": content_type, "If-Match": "*"}
            result = admin.web.simulate_request(method, route, body=body, headers=headers)
            assert problem(result) == answer, (method, body[:40])


def test_unknown_routes_and_methods_are_problems(admin: AdminClient) -> None:
    assert problem(admin.request("GET", "/v1/nothing")) == (404, "no-such-route")
    assert problem(admin.request("PUT", "/v1/links")) == (405, "method-not-allowed")


def test_without_the_database_every_route_says_503_and_recovers(database_url: str, redis_url: str) -> None:
    target = urlsplit(database_url)
    assert target.hostname is not None
    assert target.port is not None
    with relay_to(target.hostname, target.port) as relay:
        relayed = target._replace(netloc=target.netloc.replace(f":{target.port}", f":{relay.port}")).geturl()
        with admin_client(relayed, redis_url) as admin:
            assert admin.request("GET", "/v1/links").status_code == 200
            assert admin.web.simulate_get("/readyz").json["database"] == "up"
            relay.cut()
            result = admin.request("GET", "/v1/links")
            assert problem(result) == (503, "database-away")
            assert int(result.headers["retry-after"]) > 0
            ready = admin.web.simulate_get("/readyz")
            assert (ready.status_code, ready.json["database"]) == (503, "away")
            assert admin.web.simulate_get("/livez").status_code == 200
            assert "waypost_database_up 0.0" in admin.web.simulate_get("/metrics").text
            relay.mend()
            wait_until(lambda: admin.request("GET", "/v1/links").status_code == 200, what="the database again")


def test_without_redis_changes_are_stored_and_the_process_is_ready(database_url: str, free_url: str) -> None:
    with admin_client(database_url, free_url) as admin:
        # The event types, which a new database has to publish.
        assert "waypost_outbox_length 1.0" in admin.web.simulate_get("/metrics").text
        assert admin.profile()["profile_id"]
        assert admin.web.simulate_get("/readyz").json == {"status": "ready", "database": "up", "redis": "away"}
        ledger = admin.request("GET", "/v1/ledger")
        assert (ledger.status_code, ledger.json["difference"]) == (200, 0)
        assert "waypost_outbox_length 2.0" in admin.web.simulate_get("/metrics").text


@pytest.fixture
def free_url() -> str:
    """Return the URL of a Redis that is not there."""
    return "redis://127.0.0.1:1/0"


def test_an_old_schema_is_said_and_not_a_traceback(admin: AdminClient, database_url: str) -> None:
    with connect(database_url) as database:
        database.execute("drop table links cascade")
        database.execute("delete from schema_migrations where name like '0002%'")
    assert problem(admin.request("GET", "/v1/links")) == (503, "old-schema")
    ready = admin.web.simulate_get("/readyz")
    assert (ready.status_code, ready.json["database"]) == (503, "old-schema")


def test_an_error_of_ours_is_500_without_a_traceback(admin: AdminClient, database_url: str) -> None:
    with connect(database_url) as database:
        database.execute("alter table sources add check (name <> 'S')")
    assert problem(admin.request("POST", "/v1/sources", {"name": "S"})) == (500, "internal-error")


def test_metrics_name_requests_by_route_and_never_by_what_a_client_made_up(admin: AdminClient) -> None:
    admin.request("GET", "/v1/links/1234567")
    admin.request("GET", "/made-up-path")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WSGIWarning)
        admin.web.simulate_request("BREW", "/v1/links")
    text = admin.web.simulate_get("/metrics").text
    assert 'waypost_admin_requests_total{method="GET",route="/v1/links/{link_id}",status="404"} 1.0' in text
    assert "1234567" not in text
    assert "made-up-path" not in text
    assert "BREW" not in text
    for name in ("waypost_published_version", "waypost_outbox_length", "waypost_publish_failures_total"):
        assert f"\n{name} " in text
    assert 'waypost_ledger{figure="difference",stream="clicks"} 0.0' in text
