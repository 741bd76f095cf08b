"""The publisher: what every change of every noun does to what is served."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from redis import Redis

from admin_api.configuration import publisher
from admin_api.configuration.compilation import load_served
from admin_api.configuration.publisher import publish_round
from admin_api.runtime import Database, Measurements, load_outbox_length
from admin_client import AdminClient, connect, published
from config.configuration import (
    PublishedLink,
    account_key,
    decode_link,
    decode_profile,
    decode_token,
    events_key,
    fetch_changes,
    fetch_meta,
    link_key,
    profile_key,
    publish,
    token_key,
)
from config.configuration.publication import HASH_KEY, META_KEY
from publisher_rounds import Follower, expected, settle


def test_every_noun_is_served_as_the_edge_reads_it(admin: AdminClient, database: Database, redis: Redis) -> None:
    profile = admin.profile(redirect_type="js", fallback_url="https://f.example/", pixels=["https://p.example/a"])
    merchant, source = admin.merchant(currency="JPY"), admin.created("sources", name="Newsletter")
    link = admin.link(
        merchant, profile_id=profile["profile_id"], source_id=source["source_id"], slug="abc", sub2="two", active=False
    )
    free = admin.link(merchant, slug="abc", destination_url="https://m.example/")
    settle(database, redis)
    served = published(redis)
    assert len(served) == 6
    seen = decode_profile(served[profile_key("track.example.com")])
    assert tuple(seen) == (
        profile["profile_id"],
        "A profile",
        True,
        "js",
        "https://f.example/",
        ["https://p.example/a"],
        300,
        None,
    )
    assert decode_link(served[link_key(profile["profile_id"], "abc")]) == PublishedLink(
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
    assert len(published(redis)) == 6
    for path in (
        f"/v1/links/{link['link_id']}",
        f"/v1/profiles/{profile['profile_id']}",
        f"/v1/merchants/{merchant['merchant_id']}",
    ):
        assert admin.request("DELETE", path).status_code == 204
    settle(database, redis)
    assert list(published(redis)) == [events_key()]


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
        others = {account_key(merchant["merchant_id"]), events_key()}
        assert set(published(redis)) - others == {token_key(tokens[index]) for index in kept}


def test_a_change_is_one_small_change_set(admin: AdminClient, database: Database, redis: Redis) -> None:
    merchant = admin.merchant()
    made = [admin.link(merchant) for _ in range(20)]
    settle(database, redis)
    meta = fetch_meta(redis)
    assert meta is not None
    admin.request("PATCH", f"/v1/links/{made[7]['link_id']}", {"destination_url": "https://new.example/"})
    settle(database, redis)
    (change_set,) = fetch_changes(redis, meta.last_id, 1)
    assert list(change_set.changes) == [link_key(None, made[7]["slug"])]
    assert (change_set.epoch, change_set.previous) == (meta.epoch, meta.version)


def test_a_renamed_source_changes_all_its_links_and_no_others(
    admin: AdminClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.runtime.outbox.KEYS_PER_ROW", 3)
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


def test_a_change_does_not_wait_for_all_links_of_a_renamed_source(
    admin: AdminClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.runtime.outbox.KEYS_PER_ROW", 1)
    monkeypatch.setattr(publisher, "ROWS_PER_ROUND", 2)
    merchant, source = admin.merchant(), admin.created("sources", name="Old")
    for _ in range(8):
        admin.link(merchant, source_id=source["source_id"])
    settle(database, redis)
    admin.request("PATCH", f"/v1/sources/{source['source_id']}", {"name": "New"})
    assert publish_round(database, redis, Measurements())
    admin.link(merchant, slug="urgent")
    assert publish_round(database, redis, Measurements())
    assert redis.hexists(HASH_KEY, link_key(None, "urgent"))
    assert load_outbox_length(database) > 0
    settle(database, redis)
    assert published(redis) == expected(database)


def test_a_source_without_links_leaves_nothing_pending(admin: AdminClient, database: Database, redis: Redis) -> None:
    source = admin.created("sources", name="Old")
    admin.request("PATCH", f"/v1/sources/{source['source_id']}", {"name": "New"})
    settle(database, redis)
    assert load_outbox_length(database) == 0


def test_a_change_that_commits_after_a_later_numbered_one_was_read_is_published(
    admin: AdminClient, database: Database, redis: Redis, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = admin.merchant()
    slow, fast = admin.link(merchant, slug="slow"), admin.link(merchant, slug="fast")
    settle(database, redis)
    with closing(connect(database_url)) as writer:
        writer.execute("begin")
        writer.execute("update links set active = false where link_id = %s", [slow["link_id"]])
        writer.execute("insert into outbox (keys) values (%s)", [[link_key(None, "slow")]])
        admin.request("PATCH", f"/v1/links/{fast['link_id']}", {"active": False})

        def publish_after_commit(*arguments: Any) -> None:
            writer.execute("commit")
            publish(*arguments)

        monkeypatch.setattr(publisher, "publish", publish_after_commit)
        publish_round(database, redis, Measurements())
    monkeypatch.undo()
    assert not decode_link(published(redis)[link_key(None, "fast")]).active
    settle(database, redis)
    assert not decode_link(published(redis)[link_key(None, "slow")]).active
    assert load_outbox_length(database) == 0


def test_a_destination_this_release_cannot_read_hides_one_link_only(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant()
    bad, good = admin.link(merchant, slug="bad"), admin.link(merchant, slug="good")
    database.execute("update links set destination_url = 'ftp://x/' where link_id = %s", [bad["link_id"]])
    settle(database, redis)
    assert [key for key in published(redis) if key.startswith("l:")] == [link_key(None, good["slug"])]
    assert load_served(database, [link_key(None, "bad")]) == {link_key(None, "bad"): None}


def test_what_an_earlier_release_published_in_its_format_is_published_again(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    admin.profile()
    settle(database, redis)
    before = fetch_meta(redis)
    redis.hset(META_KEY, "format", "1")
    assert before is not None
    assert fetch_meta(redis) is None
    settle(database, redis)
    after = fetch_meta(redis)
    assert after is not None
    assert after.epoch != before.epoch
