"""The publisher: whatever happens in whatever order, what Redis serves ends equal to what the database says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from admin_client import AdminClient, admin_client, connect, published
from redis import Redis
from redis.exceptions import RedisError
from relay import relay_to
from waiting import wait_until

from admin_api import publisher
from admin_api.compilation import load_served, stream_served
from admin_api.connections import connect_redis
from admin_api.measurements import Measurements
from admin_api.nouns import Database
from admin_api.outbox import load_outbox_length
from admin_api.publisher import Publisher, publish_round
from config.publication import (
    HASH_KEY,
    META_KEY,
    StalePublicationError,
    fetch_changes,
    publish,
    publish_everything,
    published_meta,
)
from config.served import ServedLink, decode_link, decode_profile, decode_token, link_key, profile_key, token_key


@pytest.fixture
def admin(database_url: str, redis_url: str) -> Iterator[AdminClient]:
    with admin_client(database_url, redis_url) as client:
        yield client


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(connect(database_url)) as connection:
        yield connection


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with closing(connect_redis(redis_url)) as client:
        yield client


def settle(database: Database, redis: Redis) -> None:
    """Run rounds until nothing is pending."""
    while publish_round(database, redis, Measurements()):
        pass


def expected(database: Database) -> dict[str, bytes]:
    """Return what the database says should be served."""
    with database.transaction():
        return dict(stream_served(database))


class Follower:
    """Follows the stream as an agent must: applies what continues its version, starts over at anything else."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._resync()

    def _resync(self) -> None:
        meta = published_meta(self._redis)
        assert meta is not None
        self.epoch, self.version, self._last_id = meta
        self.served: dict[str, bytes] = published(self._redis)

    def catch_up(self) -> dict[str, bytes]:
        """Return what an edge serves after all that was published until now."""
        meta = published_meta(self._redis)
        assert meta is not None
        if meta.epoch != self.epoch:
            self._resync()
        while sets := fetch_changes(self._redis, self._last_id, 1):
            for change_set in sets:
                if (change_set.epoch, change_set.previous) != (self.epoch, self.version):
                    self._resync()
                    break
                self.version, self._last_id = change_set.version, change_set.stream_id
                for key, value in change_set.changes.items():
                    if value is None:
                        self.served.pop(key, None)
                    else:
                        self.served[key] = value
        return self.served


def test_every_noun_is_served_as_the_edge_reads_it(admin: AdminClient, database: Database, redis: Redis) -> None:
    profile = admin.profile(redirect_type="js", fallback_url="https://f.example/", pixels=["https://p.example/a"])
    merchant, source = admin.merchant(currency="JPY"), admin.created("sources", name="Newsletter")
    link = admin.link(
        merchant, profile_id=profile["profile_id"], source_id=source["source_id"], slug="abc", sub2="two", active=False
    )
    free = admin.link(merchant, slug="abc", destination_url="https://m.example/")
    settle(database, redis)
    served = published(redis)
    assert len(served) == 4
    seen = decode_profile(served[profile_key("track.example.com")])
    assert tuple(seen) == (
        profile["profile_id"],
        "A profile",
        True,
        "js",
        "https://f.example/",
        ["https://p.example/a"],
        300,
    )
    assert decode_link(served[link_key(profile["profile_id"], "abc")]) == ServedLink(
        link_id=link["link_id"],
        active=False,
        parts=["https://m.example/?c=", "click_id", ""],
        source="Newsletter",
        sub_defaults=[None, "two", *[None] * 8],
    )
    assert decode_link(served[link_key(None, "abc")]).link_id == free["link_id"]
    assert tuple(decode_token(served[token_key(merchant["postback_token"])])) == (merchant["merchant_id"], "JPY")


def test_a_moved_link_leaves_its_old_key(admin: AdminClient, database: Database, redis: Redis) -> None:
    profile_id = admin.profile()["profile_id"]
    link = admin.link(admin.merchant(), profile_id=profile_id, slug="old")
    settle(database, redis)
    for change, key in (({"slug": "new"}, link_key(profile_id, "new")), ({"profile_id": None}, link_key(None, "new"))):
        admin.request("PATCH", f"/v1/links/{link['link_id']}", change)
        settle(database, redis)
        assert [name for name in published(redis) if name.startswith("l:")] == [key]


def test_a_removed_object_is_no_longer_served(admin: AdminClient, database: Database, redis: Redis) -> None:
    merchant, profile = admin.merchant(), admin.profile()
    link = admin.link(merchant, profile_id=profile["profile_id"])
    admin.request("POST", f"/v1/merchants/{merchant['merchant_id']}/tokens")
    settle(database, redis)
    assert len(published(redis)) == 4
    for path in (
        f"/v1/links/{link['link_id']}",
        f"/v1/profiles/{profile['profile_id']}",
        f"/v1/merchants/{merchant['merchant_id']}",
    ):
        assert admin.request("DELETE", path).status_code == 204
    settle(database, redis)
    assert published(redis) == {}


def test_rotated_tokens_are_published_and_the_third_oldest_is_not(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant()
    settle(database, redis)
    tokens = [merchant["postback_token"]]
    for kept in ([0, 1], [1, 2]):
        made = admin.request("POST", f"/v1/merchants/{merchant['merchant_id']}/tokens").json
        tokens.append(made["postback_token"])
        settle(database, redis)
        assert set(published(redis)) == {token_key(tokens[index]) for index in kept}


def test_a_change_is_one_small_change_set(admin: AdminClient, database: Database, redis: Redis) -> None:
    merchant = admin.merchant()
    made = [admin.link(merchant) for _ in range(20)]
    settle(database, redis)
    meta = published_meta(redis)
    assert meta is not None
    admin.request("PATCH", f"/v1/links/{made[7]['link_id']}", {"destination_url": "https://new.example/"})
    settle(database, redis)
    (change_set,) = fetch_changes(redis, meta.last_id, 1)
    assert list(change_set.changes) == [link_key(None, made[7]["slug"])]
    assert (change_set.epoch, change_set.previous) == (meta.epoch, meta.version)


def test_a_renamed_source_changes_all_its_links_and_no_others(
    admin: AdminClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.outbox.KEYS_PER_ROW", 3)
    monkeypatch.setattr(publisher, "KEYS_PER_CHANGE_SET", 4)
    merchant, source = admin.merchant(), admin.created("sources", name="Old")
    profile_id = admin.profile()["profile_id"]
    of_source = [
        admin.link(merchant, source_id=source["source_id"], profile_id=profile_id if number % 2 else None)
        for number in range(11)
    ]
    other = admin.link(merchant)
    settle(database, redis)
    follower = Follower(redis)
    before = published(redis)
    admin.request("PATCH", f"/v1/sources/{source['source_id']}", {"name": "New"})
    settle(database, redis)
    after = published(redis)
    keys = {link_key(link["profile_id"], link["slug"]) for link in of_source}
    assert {key for key in after if after[key] != before[key]} == keys
    assert {decode_link(after[key]).source for key in keys} == {"New"}
    assert decode_link(after[link_key(None, other["slug"])]).source is None
    assert follower.catch_up() == after


def test_a_source_without_links_leaves_nothing_pending(admin: AdminClient, database: Database, redis: Redis) -> None:
    source = admin.created("sources", name="Old")
    admin.request("PATCH", f"/v1/sources/{source['source_id']}", {"name": "New"})
    settle(database, redis)
    assert load_outbox_length(database) == 0


def test_a_change_that_commits_after_a_later_numbered_one_is_published(
    admin: AdminClient, database: Database, redis: Redis, database_url: str
) -> None:
    merchant = admin.merchant()
    slow, fast = admin.link(merchant, slug="slow"), admin.link(merchant, slug="fast")
    settle(database, redis)
    with closing(connect(database_url)) as writer, writer.transaction():
        writer.execute("update links set active = false where link_id = %s", [slow["link_id"]])
        writer.execute("insert into outbox (keys) values (%s)", [[link_key(None, "slow")]])
        admin.request("PATCH", f"/v1/links/{fast['link_id']}", {"active": False})
        settle(database, redis)
        assert not decode_link(published(redis)[link_key(None, "fast")]).active
    settle(database, redis)
    assert not decode_link(published(redis)[link_key(None, "slow")]).active
    assert load_outbox_length(database) == 0


class CrashError(Exception):
    """Stands for the process ending at this place."""


@pytest.mark.parametrize("step", ["claim_versions", "load_served", "publish", "save_published"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_crash_at_any_step_is_mended_by_the_next_round(
    admin: AdminClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch, step: str, place: str
) -> None:
    merchant = admin.merchant()
    link = admin.link(merchant, slug="first")
    settle(database, redis)
    follower = Follower(redis)
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"slug": "second"})
    crash_at(monkeypatch, step, place)
    with pytest.raises(CrashError):
        publish_round(database, redis, Measurements())
    monkeypatch.undo()
    # What changes between the crash and the next start must win over what the crashed process had in hand.
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"slug": "third"})
    admin.link(merchant, slug="second")
    settle(database, redis)
    assert published(redis) == expected(database) == follower.catch_up()


def crash_at(monkeypatch: pytest.MonkeyPatch, step: str, place: str) -> None:
    real: Callable[..., object] = getattr(publisher, step)

    def crashing(*arguments: object) -> object:
        if place == "after":
            real(*arguments)
        raise CrashError(step)

    monkeypatch.setattr(publisher, step, crashing)


@pytest.mark.parametrize("step", ["save_epoch", "claim_versions", "publish_everything", "save_published"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_crash_while_everything_is_published_is_mended_by_the_next_round(
    admin: AdminClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch, step: str, place: str
) -> None:
    link = admin.link(admin.merchant(), slug="first")
    crash_at(monkeypatch, step, place)
    with pytest.raises(CrashError):
        publish_round(database, redis, Measurements())
    monkeypatch.undo()
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"slug": "second"})
    settle(database, redis)
    assert published(redis) == expected(database)
    assert not list(redis.scan_iter("*draft*"))


def test_a_flushed_redis_is_filled_under_a_new_epoch(admin: AdminClient, database: Database, redis: Redis) -> None:
    admin.link(admin.merchant())
    settle(database, redis)
    before = published_meta(redis)
    redis.flushall()
    settle(database, redis)
    after = published_meta(redis)
    assert before is not None
    assert after is not None
    assert after.epoch != before.epoch
    assert after.version > before.version
    assert published(redis) == expected(database)


def test_a_redis_that_lost_its_newest_writes_is_filled_anew(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant()
    settle(database, redis)
    saved = {key: redis.dump(key) for key in (META_KEY, HASH_KEY)}
    admin.link(merchant)
    settle(database, redis)
    for key, value in saved.items():
        redis.restore(key, 0, value, replace=True)
    settle(database, redis)
    assert published(redis) == expected(database)


def test_a_database_restored_from_an_older_copy_is_published_anew(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant()
    link = admin.link(merchant)
    settle(database, redis)
    older = database.execute("select version, published_version from publication").fetchone()
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"slug": "lost"})
    settle(database, redis)
    database.execute("update links set slug = 'restored'")
    database.execute("update publication set version = %(version)s, published_version = %(published_version)s", older)
    settle(database, redis)
    assert published(redis) == expected(database)


def test_a_publisher_that_was_overtaken_writes_nothing(redis: Redis) -> None:
    publish_everything(redis, "e1", 1, [("p:a", b"[1]")])
    publish(redis, "e1", 1, 2, {"p:a": b"[2]"})
    for epoch, previous in (("e1", 1), ("e0", 2), ("e1", 3)):
        with pytest.raises(StalePublicationError):
            publish(redis, epoch, previous, 9, {"p:a": b"[9]"})
    assert published(redis) == {"p:a": b"[2]"}


def test_a_flush_between_look_and_write_leaves_no_scrap_of_a_configuration(redis: Redis) -> None:
    publish_everything(redis, "e1", 1, [("p:a", b"[1]"), ("p:b", b"[1]")])
    redis.flushall()
    with pytest.raises(StalePublicationError):
        publish(redis, "e1", 1, 2, {"p:a": b"[2]"})
    assert published_meta(redis) is None
    assert published(redis) == {}


@pytest.mark.parametrize("interruption", ["flush", "other"])
def test_a_full_publication_that_was_interrupted_is_not_swapped_in(redis: Redis, interruption: str) -> None:
    publish_everything(redis, "e0", 1, [("p:old", b"[0]")])

    def served() -> Iterator[tuple[str, bytes]]:
        for number in range(3000):
            if number == 2500 and interruption == "flush":
                redis.flushall()
            elif number == 2500:
                publish_everything(redis, "e2", 3, [("p:other", b"[2]")])
            yield f"p:{number}", b"[1]"

    with pytest.raises((StalePublicationError, RedisError)):
        publish_everything(redis, "e1", 2, served())
    assert published(redis) == ({} if interruption == "flush" else {"p:other": b"[2]"})


def test_a_destination_this_release_cannot_read_hides_one_link_only(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant()
    bad, good = admin.link(merchant, slug="bad"), admin.link(merchant, slug="good")
    database.execute("update links set destination_url = 'ftp://x/' where link_id = %s", [bad["link_id"]])
    settle(database, redis)
    assert [key for key in published(redis) if key.startswith("l:")] == [link_key(None, good["slug"])]
    assert load_served(database, [link_key(None, "bad")]) == {link_key(None, "bad"): None}


@pytest.mark.parametrize("seed", range(3))
def test_after_any_operations_redis_equals_the_database(
    admin: AdminClient, database_url: str, redis_url: str, redis: Redis, database: Database, seed: int
) -> None:
    """Random changes through the API beside the real thread; Redis flushed and cut off, the publisher replaced."""
    chance = random.Random(seed)
    target = urlsplit(redis_url)
    assert target.hostname is not None
    assert target.port is not None
    with relay_to(target.hostname, target.port) as relay:
        relayed = target._replace(netloc=target.netloc.replace(f":{target.port}", f":{relay.port}")).geturl()
        running = start_publisher(database_url, relayed)
        wait_until(lambda: published_meta(redis), what="the first publication")
        follower = Follower(redis)
        operations = Operations(admin, chance)
        for number in range(120):
            operations.any()
            if number % 40 == 15:
                relay.cut()
            elif number % 40 == 25:
                relay.mend()
            elif number % 40 == 35:
                redis.flushall()
            elif number == 60:
                running.stop()
                running = start_publisher(database_url, relayed)
            elif number == 80:
                database.execute(
                    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted"
                )
        relay.mend()
        wait_until(lambda: load_outbox_length(database) == 0 and published(redis) == expected(database), what="quiet")
        assert follower.catch_up() == published(redis)
        running.stop()
    assert operations.accepted > 60


def start_publisher(database_url: str, redis_url: str) -> Publisher:
    publisher = Publisher(database_url, connect_redis(redis_url), Measurements())
    publisher.start()
    return publisher


class Operations:
    """Random changes of everything that is served, over few enough names that they collide."""

    def __init__(self, admin: AdminClient, chance: random.Random) -> None:
        self._admin = admin
        self._chance = chance
        self.accepted = 0

    def any(self) -> None:
        """Send one random request; refusals are fine, server errors are not."""
        plural = self._chance.choice(["profiles", "merchants", "sources", "links", "links", "links"])
        items = self._admin.request("GET", f"/v1/{plural}").json["items"]
        action = self._chance.choice(["POST", "POST", "PATCH", "PATCH", "DELETE"]) if items else "POST"
        path, body = f"/v1/{plural}", self._fields(plural) if action != "DELETE" else None
        if action != "POST":
            path += f"/{self._chance.choice(items)[f'{plural[:-1]}_id']}"
        elif plural == "merchants" and items and self._chance.random() < 0.5:
            path, body = f"{path}/{self._chance.choice(items)['merchant_id']}/tokens", None
        result = self._admin.request(action, path, body)
        assert result.status_code in (200, 201, 204, 400, 409), result.text
        self.accepted += result.status_code < 300

    def _fields(self, plural: str) -> dict[str, object]:
        pick = self._chance.choice
        if plural == "profiles":
            return {"name": "P", "domain": f"{pick('abc')}.example", "active": pick([True, False])}
        if plural == "merchants":
            return {"name": "M", "currency": pick(["USD", "JPY"])}
        if plural == "sources":
            return {"name": pick(["One", "Two", "Three"])}
        return {
            "destination_url": f"https://m.example/{pick('xyz')}?c={{click_id}}",
            "slug": pick("abcdef"),
            "active": pick([True, False]),
            "merchant_id": self._some("merchants"),
            "profile_id": pick([None, self._some("profiles")]),
            "source_id": pick([None, self._some("sources")]),
        }

    def _some(self, plural: str) -> int:
        items = self._admin.request("GET", f"/v1/{plural}").json["items"]
        return int(self._chance.choice(items)[f"{plural[:-1]}_id"]) if items else 1


def test_a_change_is_in_redis_well_under_a_second_without_polling_for_it(
    admin: AdminClient, database_url: str, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a poll of a minute, only the notification can be what brings a change here in time."""
    monkeypatch.setattr(publisher, "POLL_S", 60)
    running = start_publisher(database_url, redis_url)
    wait_until(lambda: published_meta(redis), what="the first publication")
    merchant = admin.merchant()
    for number in range(10):
        key = link_key(None, f"slug{number}")
        admin.link(merchant, slug=f"slug{number}")
        wait_until(lambda key=key: redis.hexists(HASH_KEY, key), timeout_s=10, what="the change in Redis")
    monkeypatch.undo()
    admin.link(merchant)
    running.stop()


def test_one_publisher_at_a_time_and_the_next_takes_over(
    admin: AdminClient, database_url: str, redis_url: str, redis: Redis, database: Database
) -> None:
    first = start_publisher(database_url, redis_url)
    wait_until(lambda: published_meta(redis), what="the first publication")
    second = start_publisher(database_url, redis_url)
    count = "select count(*) as held from pg_locks where locktype = 'advisory' and granted"
    assert database.execute(count).fetchone() == {"held": 1}
    first.stop()
    link = admin.link(admin.merchant())
    wait_until(lambda: redis.hexists(HASH_KEY, link_key(None, link["slug"])), what="the second publisher")
    second.stop()


def test_stopping_is_prompt_while_the_database_is_away(redis: Redis) -> None:
    away = Publisher("postgresql://nobody@127.0.0.1:1/none", redis, measurements := Measurements())
    away.start()
    wait_until(lambda: measurements.publish_failures._value.get() > 0, what="a failure")
    away.stop(timeout_s=5)
    assert not away._thread.is_alive()
