"""Imports of links on a real database: previewed, carried out whole or not at all, and published."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import orjson
import pytest
from redis import Redis

from admin_api.bulk_links.saving import LOCK_NUMBER
from admin_api.runtime import Database
from admin_client import AdminClient, connect, published
from link_files import all_links, csv_of, faults, import_links, preview, send
from publisher_rounds import expected, settle


@pytest.fixture
def world(admin: AdminClient) -> dict[str, Any]:
    """Return a profile, a merchant and a source to refer to."""
    return {
        "profile": admin.profile(),
        "merchant": admin.merchant(name="Casino"),
        "source": admin.created("sources", name="Newsletter"),
    }


def row(**values: Any) -> dict[str, Any]:
    return {"merchant": "Casino", "destination_url": "https://m.example/?c={click_id}", "slug": ""} | values


def test_a_preview_changes_nothing_and_its_token_carries_it_out(
    admin: AdminClient, world: dict[str, Any], database: Database, redis: Redis
) -> None:
    file = csv_of(
        [
            row(slug="one", name="First", profile="track.example.com", source="Newsletter", tags="a,B", active="no"),
            row(slug="", name="", profile="", source="", tags="", active=""),
        ]
    )
    shown = preview(admin, file)
    assert (shown["rows"], shown["created"], shown["updated"], shown["errors"], shown["done"]) == (2, 2, 0, 0, False)
    assert all_links(admin) == []

    done = preview(admin, file, token=shown["token"])
    assert (done["created"], done["token"], done["done"]) == (2, None, True)
    first, second = all_links(admin)
    assert (first["name"], first["slug"], first["tags"], first["active"]) == ("First", "one", ["a", "b"], False)
    assert first["profile_id"] == world["profile"]["profile_id"]
    assert first["source_id"] == world["source"]["source_id"]
    assert second["name"] == second["slug"]
    assert second["profile_id"] is None
    assert second["active"] is True

    settle(database, redis)
    assert {f"l:{first['profile_id']}:one", f"l:0:{second['slug']}"} <= published(redis).keys()
    versions = admin.request("GET", f"/v1/links/{first['link_id']}/versions").json["items"]
    assert [(version["revision"], version["changed_by"]) for version in versions] == [(1, "test")]


def test_rows_update_and_create_as_the_mode_says(admin: AdminClient, world: dict[str, Any]) -> None:
    profile = world["profile"]
    link = admin.link(world["merchant"], slug="kept", profile_id=profile["profile_id"], sub1="x", name="Old")
    rows = [
        {"profile": profile["domain"], "slug": "kept", "name": "New", "merchant": "Casino", "destination_url": ""},
        {
            "profile": profile["domain"],
            "slug": "new",
            "name": "",
            "merchant": "Casino",
            "destination_url": "https://n/",
        },
    ]
    file = csv_of(rows)
    assert faults(preview(admin, file, mode="create")) == [(2, "slug", "slug-taken")]
    assert faults(preview(admin, file, mode="update")) == [(3, "slug", "not-found")]
    done = import_links(admin, file, mode="upsert")
    assert (done["created"], done["updated"]) == (1, 1)
    after = admin.request("GET", f"/v1/links/{link['link_id']}").json
    assert (after["name"], after["sub1"], after["destination_url"]) == ("New", "x", link["destination_url"])
    again = preview(admin, file, mode="update")
    # The second row's URL is there, so both are as they were.
    assert (again["updated"], again["unchanged"]) == (0, 2)


def test_links_are_named_by_number_and_may_move(
    admin: AdminClient, world: dict[str, Any], database: Database, redis: Redis
) -> None:
    link = admin.link(world["merchant"], slug="here")
    file = csv_of([{"link_id": link["link_id"], "slug": "there", "profile_id": world["profile"]["profile_id"]}])
    import_links(admin, file, mode="update", key="link_id")
    settle(database, redis)
    assert f"l:{world['profile']['profile_id']}:there" in published(redis)
    assert "l:0:here" not in published(redis)
    missing = csv_of([{"link_id": 999, "slug": "x"}])
    assert faults(preview(admin, missing, mode="upsert", key="link_id")) == [(2, "link_id", "not-found")]


def test_every_error_of_every_row_is_named_and_nothing_is_imported(admin: AdminClient, world: dict[str, Any]) -> None:
    admin.merchant(name="Twice")
    admin.merchant(name="Twice")
    admin.link(world["merchant"], slug="taken")
    file = csv_of(
        [
            row(slug="good"),
            row(slug="bad slug", destination_url="javascript:alert(1)"),
            row(slug="m1", merchant="Nobody"),
            row(slug="m2", merchant="Twice"),
            row(slug="m3", merchant=""),
            row(slug="good"),
            row(slug="taken"),
            row(slug="u", destination_url=""),
            row(slug="tag", destination_url="https://x/ y"),
        ]
    )
    answer = preview(admin, file)
    assert faults(answer) == [
        (3, "destination_url", "invalid-field"),
        (3, "slug", "invalid-field"),
        (4, "merchant", "not-found"),
        (5, "merchant", "ambiguous"),
        (6, "merchant_id", "missing-field"),
        (7, "slug", "duplicate"),
        (8, "slug", "slug-taken"),
        (9, "destination_url", "missing-field"),
        (10, "destination_url", "invalid-field"),
    ]
    assert answer["token"] is None
    assert len(all_links(admin)) == 1
    listed = send(admin, file, "/v1/links/import/faults.csv")
    assert listed.headers["content-type"].startswith("text/csv")
    lines = listed.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "row,severity,field,value,code,detail"
    assert len(lines) == 10
    assert "create it at /v1/merchants" in lines[3]


def test_what_changed_since_the_preview_is_refused(admin: AdminClient, world: dict[str, Any]) -> None:
    link = admin.link(world["merchant"], slug="kept")
    file = csv_of([{"slug": "kept", "name": "New"}])
    token = preview(admin, file, mode="update")["token"]
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"sub1": "changed"})
    result = send(admin, file, mode="update", token=token)
    assert (result.status_code, result.json["code"]) == (409, "preview-outdated")
    admin.request("DELETE", f"/v1/links/{link['link_id']}")
    gone = send(admin, file, mode="update", token=token)
    assert (gone.status_code, gone.json["code"]) == (409, "preview-outdated")
    other = send(admin, csv_of([{"slug": "kept", "name": "Other"}]), mode="upsert", token=token)
    assert other.status_code == 409


def test_of_two_imports_at_once_one_is_told_to_wait(
    admin: AdminClient, world: dict[str, Any], database: Database
) -> None:
    file = csv_of([row(slug="one")])
    token = preview(admin, file)["token"]
    with database.transaction():
        database.execute("select pg_advisory_xact_lock(%s)", [LOCK_NUMBER])
        result = send(admin, file, token=token)
        assert (result.status_code, result.json["code"]) == (409, "bulk-running")
        assert preview(admin, file)["created"] == 1
    assert send(admin, file, token=token).status_code == 200


def test_a_link_that_is_created_while_an_import_runs_makes_its_preview_outdated(
    admin: AdminClient, world: dict[str, Any], database: Database, database_url: str
) -> None:
    file = csv_of([row(slug="one")])
    token = preview(admin, file)["token"]
    answers = []
    with closing(connect(database_url)) as watching, database.transaction():
        # The import waits for this row, whose commit takes its slug.
        database.execute(
            "insert into links (name, merchant_id, slug, destination_url) values ('x', %s, 'one', 'https://x/')",
            [world["merchant"]["merchant_id"]],
        )
        thread = threading.Thread(target=lambda: answers.append(send(admin, file, token=token)))
        thread.start()
        while not watching.execute(
            "select pid from pg_stat_activity where wait_event = 'transactionid' and datname = current_database()"
        ).fetchone():
            assert thread.is_alive()
    thread.join()
    assert (answers[0].status_code, answers[0].json["code"]) == (409, "preview-outdated")
    assert len(all_links(admin)) == 1


def test_json_is_read_as_a_list_or_line_by_line(admin: AdminClient, world: dict[str, Any]) -> None:
    merchant_id = world["merchant"]["merchant_id"]
    rules = {"rules": [{"destinations": [{"url": "https://de.example/"}], "conditions": []}]}
    links = [
        {"merchant_id": merchant_id, "destination_url": "https://m/", "slug": "a", "routing": rules, "tags": ["x"]},
        {"merchant_id": "1", "destination_url": "https://m/", "slug": "b", "oddity": 1},
    ]
    answer = preview(admin, orjson.dumps(links), format="json")
    assert sorted(faults(answer)) == [(2, "merchant_id", "invalid-field"), (2, "oddity", "unknown-field")]
    links[1] = links[0] | {"slug": "b", "profile": "track.example.com"}
    import_links(admin, b"\n".join(map(orjson.dumps, links)), format="json")
    first, second = all_links(admin)
    assert first["routing"]["rules"][0]["rule_id"] != second["routing"]["rules"][0]["rule_id"]
    assert second["profile_id"] == world["profile"]["profile_id"]


def test_a_loop_within_the_file_is_found_before_anything_is_imported(
    admin: AdminClient, world: dict[str, Any], database: Database
) -> None:
    profile = world["profile"]["domain"]
    file = csv_of(
        [
            row(slug="a", profile=profile, destination_url=f"https://{profile}/click/b"),
            row(slug="b", profile=profile, destination_url=f"https://{profile}/click/a"),
            row(slug="c", profile=profile, destination_url="https://elsewhere.example/click/c"),
        ]
    )
    answer = preview(admin, file)
    assert faults(answer) == [(2, "destination_url", "loop"), (3, "destination_url", "loop")]
    assert answer["token"] is None
    assert all_links(admin) == []


@pytest.mark.parametrize(
    ("file", "field", "said"),
    [
        (b"name,colour\nx,red\n", "columns", "colour"),
        (b"name,name\nx,y\n", "columns", "both mean name"),
        (b"merchant,merchant_id\nx,1\n", "columns", "both merchant and merchant_id"),
        (b"\n\n", "header_row", "no headings"),
        (b"PK\x03\x04", "file", "workbook"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(
    admin: AdminClient, file: bytes, field: str, said: str
) -> None:
    result = send(admin, file)
    assert (result.status_code, result.json["field"]) == (400, field)
    assert said in result.text


def test_semicolons_are_found_and_columns_renamed_or_ignored(admin: AdminClient, world: dict[str, Any]) -> None:
    file = 'Titel;Ziel;Farbe\n"Eins\nzwei";https://m.example/;rot\n'.encode("utf-16")
    settings = {"columns": {"notes": "titel", "destination_url": "Ziel"}, "ignore": ["Farbe"]}
    import_links(admin, file, **settings, defaults={"merchant_id": world["merchant"]["merchant_id"], "tags": ["new"]})
    (link,) = all_links(admin)
    assert (link["notes"], link["tags"], link["destination_url"]) == ("Eins\nzwei", ["new"], "https://m.example/")


def test_a_backend_that_is_killed_in_the_middle_leaves_nothing_and_is_503(
    admin: AdminClient, world: dict[str, Any], database: Database, database_url: str
) -> None:
    file = csv_of([row(slug=f"s{number}") for number in range(500)])
    token = preview(admin, file)["token"]
    answers = []
    with closing(connect(database_url)) as watching, database.transaction():
        # The import waits for this row when it has inserted others already.
        database.execute(
            "insert into links (name, merchant_id, slug, destination_url) values ('x', %s, 's499', 'https://x/')",
            [world["merchant"]["merchant_id"]],
        )
        thread = threading.Thread(target=lambda: answers.append(send(admin, file, token=token)))
        thread.start()
        while not (
            waiting := watching.execute(
                "select pid from pg_stat_activity where wait_event = 'transactionid' and datname = current_database()"
            ).fetchone()
        ):
            assert thread.is_alive()
        watching.execute("select pg_terminate_backend(%s)", [waiting["pid"]])
        thread.join()
        database.execute("delete from links")
    assert (answers[0].status_code, answers[0].json["code"]) == (503, "database-away")
    left = database.execute(
        "select (select count(*) from links) as links, (select count(*) from link_versions) as versions,"
        " (select count(*) from outbox where is_bulk) as keys"
    ).fetchone()
    assert left == {"links": 0, "versions": 0, "keys": 0}
    # The lock went with the connection, so the import can be carried out now.
    assert import_links(admin, file)["created"] == 500


def test_many_links_are_published_in_bulk_and_all_of_them_reach_the_edge(
    admin: AdminClient, world: dict[str, Any], database: Database, redis: Redis
) -> None:
    import_links(admin, csv_of([row(slug=f"s{number}") for number in range(3000)]))
    pending = database.execute("select count(*) as rows, bool_and(is_bulk) as bulk from outbox").fetchone()
    assert pending is not None
    assert pending["bulk"] is False
    single = database.execute("select count(*) as rows from outbox where not is_bulk").fetchone()
    # The profile, the merchant and the source of the world.
    assert single is not None
    assert pending["rows"] - single["rows"] == 300
    settle(database, redis)
    assert published(redis) == expected(database)


def test_no_connection_to_the_database_is_503(admin: AdminClient) -> None:
    pool = admin.collaborators.pool
    pool.close()
    result = send(admin, csv_of([row(slug="one")]))
    assert (result.status_code, result.json["code"]) == (503, "database-away")
