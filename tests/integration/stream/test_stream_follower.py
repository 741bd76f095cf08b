"""The follower in an event loop: it gives viewers what is stored, and ends streams of those who lost their rights."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from admin_api.runtime import Database, connect_redis, open_pool
from admin_api.stream import application, follower
from admin_api.stream.follower import Follower
from admin_api.stream.selection import select
from admin_api.stream.viewers import Credential, Viewer, Viewers
from config.configuration import hash_token
from event_streams import ServerEvent, parse_events

TOKEN = "wp_of_a_viewer_0000000000"
CREDENTIAL = Credential(f"ApiKey {TOKEN}")
Step = Callable[[Viewers, Callable[[], Viewer]], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr(follower, "POLL_S", 0.02)
    monkeypatch.setattr(follower, "RIGHTS_S", 0.05)
    monkeypatch.setattr(follower, "METER_S", 0.05)
    database.execute("insert into api_tokens (token_hash, name) values (%s, 'viewer')", [hash_token(TOKEN)])


async def within(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def next_event(viewer: Viewer, name: str) -> ServerEvent:
    async with asyncio.timeout(10):
        while True:
            (event,) = parse_events(await viewer.queue.get())
            if event.name == name:
                return event


def run(database_url: str, redis_url: str, step: Step) -> None:
    """Run a follower, and a step beside it that is given the viewers and how to add one."""

    async def main() -> None:
        pool, redis = open_pool(database_url, 2), connect_redis(redis_url)
        viewers = Viewers()
        identify = partial(application.identify_viewer, pool)
        reading = Follower(pool, redis, viewers, identify)
        reading.start(asyncio.get_running_loop())
        try:
            await within(lambda: viewers.position)
            actor = await asyncio.to_thread(identify, CREDENTIAL)
            assert actor is not None
            await step(viewers, lambda: viewers.add(select(actor, {}), CREDENTIAL, actor))
        finally:
            await asyncio.to_thread(reading.stop)
            pool.close()
            redis.close()

    asyncio.run(main())


def test_what_is_stored_reaches_a_viewer_and_the_loss_meter_comes_by_itself(
    database_url: str, redis_url: str, database: Database
) -> None:
    async def step(viewers: Viewers, join: Callable[[], Viewer]) -> None:
        viewer = join()
        database.execute("select open_issue('rates-stale', 'x', 'Old', '{}', null, null, null, null)")
        async with asyncio.timeout(10):
            pieces = [await viewer.queue.get() for _ in range(2)]
        found = {event.name: event.data for piece in pieces for event in parse_events(piece)}
        assert found["issue"]["kind"] == "rates-stale"
        assert found["loss-meter"]["difference"] == 0

    run(database_url, redis_url, step)


def test_what_is_stored_while_nobody_watches_is_passed_over(
    database_url: str, redis_url: str, database: Database
) -> None:
    async def step(viewers: Viewers, join: Callable[[], Viewer]) -> None:
        database.execute("select open_issue('rates-stale', 'x', 'Old', '{}', null, null, null, null)")
        passed = "select pg_visible_in_snapshot(max(xid::text)::xid8, %s::pg_snapshot) as it from stream_notes"
        await within(lambda: database.execute(passed, [viewers.position]).fetchone() == {"it": True})
        viewer = join()
        database.execute("select open_issue('rate-missing', 'x', 'Missing', '{}', null, null, null, null)")
        assert (await next_event(viewer, "issue")).data["kind"] == "rate-missing"

    run(database_url, redis_url, step)


def test_a_revoked_token_ends_its_stream(database_url: str, redis_url: str, database: Database) -> None:
    async def step(viewers: Viewers, join: Callable[[], Viewer]) -> None:
        viewer = join()
        database.execute("update api_tokens set revoked_at = now() where name = 'viewer'")
        assert (await next_event(viewer, "end")).data == {"reason": "signed-out"}

    run(database_url, redis_url, step)


def test_other_rights_end_the_stream_so_that_it_is_opened_with_them(database_url: str, redis_url: str) -> None:
    async def step(viewers: Viewers, join: Callable[[], Viewer]) -> None:
        viewer = join()
        viewer.actor = viewer.actor._replace(rights=frozenset())
        assert (await next_event(viewer, "end")).data == {"reason": "rights-changed"}

    run(database_url, redis_url, step)


def test_a_round_that_fails_does_not_end_the_follower(
    database_url: str, redis_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = []
    real = follower.load_round

    def failing(*arguments: object) -> object:
        if not failed:
            failed.append(1)
            raise RuntimeError("once")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(follower, "load_round", failing)

    async def step(viewers: Viewers, join: Callable[[], Viewer]) -> None:
        viewer = join()
        database.execute("select open_issue('rates-stale', 'x', 'Old', '{}', null, null, null, null)")
        assert (await next_event(viewer, "issue")).data["kind"] == "rates-stale"
        assert failed

    run(database_url, redis_url, step)


def test_a_session_opens_a_stream_and_watching_does_not_keep_it_alive(database_url: str, database: Database) -> None:
    cookie = "s" * 43
    database.execute("insert into users (email, name, role) values ('a@x.example', 'Ann', 'analyst')")
    database.execute(
        "insert into user_sessions (user_id, token_hash, idle, expires_at, last_seen_at)"
        " values (1, %s, '1 hour', now() + interval '1 day', now() - interval '30 minutes')",
        [hash_token(cookie)],
    )
    pool = open_pool(database_url, 1)
    try:
        actor = application.identify_viewer(pool, Credential(None, (cookie,)))
        assert actor is not None
        assert (actor.name, actor.user_id, actor.token_id) == ("Ann", 1, None)
        seen = database.execute("select last_seen_at < now() - interval '29 minutes' as old from user_sessions")
        assert seen.fetchone() == {"old": True}
        assert application.identify_viewer(pool, Credential(None, (cookie, cookie))) is None
        assert application.identify_viewer(pool, Credential(None, ("nobody's",))) is None
    finally:
        pool.close()
