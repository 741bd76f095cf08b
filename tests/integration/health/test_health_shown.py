"""GET /v1/health on real servers: what agents report, what waits, and what it says while a server is away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import time
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from redis import Redis

from admin_api.health.certificates import CertificateWatch
from admin_api.health.facts import load_database_facts, load_redis_facts
from admin_api.health.objects import HealthPart
from admin_api.http import remembered
from admin_api.runtime import Database, connect_redis, open_pool
from admin_client import AdminClient, admin_client
from config.configuration import HOSTS_KEY
from waiting import free_port

REPORT = {
    "clock_offset_s": 0.25,
    "oldest_ms": {"clicks": None, "postbacks": None},
    "epoch": None,
    "version": 0,
    "disk_free_bytes": 50,
    "disk_bytes": 100,
    "spool_max_bytes": 10,
}


def report(redis: Redis, node: str, age_s: float = 0.0, **changes: Any) -> None:
    redis.hset(HOSTS_KEY, node, orjson.dumps(REPORT | {"at": time() - age_s} | changes).decode())


def parts(admin: AdminClient) -> dict[str, Any]:
    answer = admin.request("GET", "/v1/health")
    assert answer.status_code == 200, answer.text
    return {part["part"]: part for part in answer.json["parts"]}


def test_every_part_is_shown_in_order_and_the_worst_is_the_state(admin: AdminClient, redis: Redis) -> None:
    report(redis, "7", age_s=100.0)
    answer = admin.request("GET", "/v1/health").json
    assert [part["part"] for part in answer["parts"]] == [part.value for part in HealthPart]
    found = {part["part"]: part for part in answer["parts"]}
    assert found["database"]["state"] == "ok"
    assert found["schema"]["state"] == "ok"
    assert found["hosts"]["state"] == "critical"
    assert "host 7" in found["hosts"]["to_do"]
    assert answer["state"] == "critical"


def test_what_an_agent_reports_becomes_ages(redis: Redis, redis_url: str) -> None:
    oldest = {"clicks": int((time() + 0.25 - 40) * 1000), "postbacks": None}
    report(redis, "7", age_s=3.0, oldest_ms=oldest)
    report(redis, "8", age_s=90_000.0)
    with connect_redis(redis_url) as client:
        facts = load_redis_facts(client)
    assert list(facts.hosts) == ["7"], "a host that is gone for a day is forgotten"
    host = facts.hosts["7"]
    assert 3.0 <= host.age_s < 10.0
    assert host.oldest_click_s is not None
    assert 39.0 < host.oldest_click_s < 50.0
    assert host.oldest_postback_s is None


def test_queues_and_failed_jobs_are_counted(admin: AdminClient, redis: Redis) -> None:
    redis.lpush("rq:queue:clicks", "a", "b")
    redis.zadd("rq:failed:postbacks", {"c": time() + 100})
    figures = parts(admin)["queues"]["figures"]
    assert figures["waiting"]["clicks"] == 2
    assert figures["failed"] == {"clicks": 0, "postbacks": 1, "deliveries": 0, "maintenance": 0}


def test_what_waits_in_the_database_is_counted_with_its_age(database: Database, database_url: str) -> None:
    database.execute("delete from outbox")
    database.execute("insert into outbox (keys, created_at) values ('{x}', now() - interval '40 seconds')")
    pool = open_pool(database_url, 1)
    facts = load_database_facts(pool)
    pool.close()
    assert facts.outbox == 1
    assert facts.outbox_age_s is not None
    assert 39 < facts.outbox_age_s < 60
    assert facts.ahead_days["clicks"] == 0.0, "no maintenance worker has run here"
    assert facts.ahead_days["postbacks"] > 27
    assert abs(facts.clock_offset_s) < 1


def test_without_redis_its_parts_are_unknown_and_the_others_are_not(database_url: str) -> None:
    with admin_client(database_url, f"redis://127.0.0.1:{free_port()}/0") as nowhere:
        found = {name: part["state"] for name, part in parts(nowhere).items()}
    assert (found["database"], found["redis"], found["hosts"], found["schema"]) == ("ok", "critical", "unknown", "ok")


def test_without_postgresql_who_asked_before_is_still_answered(admin: AdminClient) -> None:
    assert parts(admin)["database"]["state"] == "ok"
    admin.collaborators.pool.close()
    answer = admin.request("GET", "/v1/health")
    assert answer.status_code == 200
    assert admin.request("GET", "/v1/links").status_code == 503
    stranger = admin.web.simulate_get("/v1/health", headers={"Authorization": "ApiKey wp_somebody_else_0000000"})
    assert stranger.status_code == 503
    assert {"/v1/health"} == remembered.ANSWERED_WITHOUT_DATABASE


def test_a_revoked_token_is_not_remembered(admin: AdminClient, database: Database) -> None:
    assert parts(admin)
    database.execute("update api_tokens set revoked_at = now()")
    assert admin.request("GET", "/v1/health").status_code == 401
    admin.collaborators.pool.close()
    assert admin.request("GET", "/v1/health").status_code == 503


def test_certificates_are_looked_at_in_the_background(admin: AdminClient) -> None:
    admin.profile("good.example.com")
    admin.profile("bad.example.com")

    class Checker:
        def check(self, domain: str) -> Any:
            expires_at = datetime.now(UTC) + timedelta(days=10)
            return SimpleNamespace(certificate=SimpleNamespace(expires_at=expires_at) if "good" in domain else None)

    checker: Any = Checker()
    watch = CertificateWatch(admin.collaborators.pool, checker)
    watch.look()
    days = watch._days
    assert days is not None
    assert days["bad.example.com"] is None
    assert days["good.example.com"] == pytest.approx(10.0, abs=0.1)


def test_the_metrics_have_the_figures_of_health(admin: AdminClient, redis: Redis) -> None:
    report(redis, "7")
    text = admin.request("GET", "/metrics").text
    for line in ('waypost_queue_jobs{queue="clicks"} 0.0', 'waypost_host_clock_offset_seconds{host="7"} 0.25'):
        assert line in text
