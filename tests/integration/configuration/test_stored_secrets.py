"""Signing secrets in the database: sealed when they are made, sealed by an update, and sealed anew with a new key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from admin_api.rotate_secrets import SEALED_COLUMNS, main, require_keys, seal_clear, seal_stored
from admin_api.runtime import Database
from admin_client import AdminClient
from config.sealing import SealError, Seals

OLD, NEW = b"\x01" * 32, b"\x02" * 32
PLAIN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# These are called secrets, and hold none that could be read.
HOLD_NO_SECRET = {("merchant_secrets", "secret_id")}


def stored(database: Database) -> list[str]:
    rows = database.execute(
        "select secret from merchant_secrets union all select unnest(secrets) from outgoing_postbacks"
        " union all select unnest(next_hop_secrets) from profiles"
    )
    return [row["secret"] for row in rows]


def some_secrets(admin: AdminClient) -> set[str]:
    merchant = admin.merchant()
    profile = admin.profile()
    outgoing = admin.created("outgoing-postbacks", name="Partner", url="https://p.example/", method="POST")
    return {
        admin.request("POST", f"/v1/merchants/{merchant['merchant_id']}/secrets").json["postback_secret"],
        admin.request("POST", f"/v1/profiles/{profile['profile_id']}/next-hop-secrets").json["secret"],
        outgoing["secret"],
    }


def test_every_column_of_secrets_is_sealed(admin: AdminClient, database: Database) -> None:
    made = some_secrets(admin)
    found = stored(database)
    assert len(found) == len(made)
    assert all(each.startswith("sealed:") for each in found)
    assert not any(secret in str(found) for secret in made)


def test_no_column_of_secrets_is_left_out(database: Database) -> None:
    rows = database.execute(
        "select table_name, column_name from information_schema.columns join pg_class on relname = table_name"
        " where table_schema = current_schema() and column_name ~ 'secret' and relkind in ('r', 'p')"
    )
    columns = {(row["table_name"], row["column_name"]) for row in rows}
    assert columns - HOLD_NO_SECRET == {(each.table, each.column) for each in SEALED_COLUMNS}


def test_what_an_older_release_stored_in_clear_is_sealed_once(admin: AdminClient, database: Database) -> None:
    merchant = admin.merchant()
    database.execute(
        "insert into merchant_secrets (secret, merchant_id) values (%s, %s)", [PLAIN, merchant["merchant_id"]]
    )
    database.execute("update profiles set next_hop_secrets = '{}'")
    seals = Seals((OLD,))
    assert (seal_clear(database, seals), seal_clear(database, seals)) == (1, 0)
    assert [seals.unseal(each) for each in stored(database)] == [PLAIN]


def test_a_new_key_seals_everything_anew_and_then_the_old_one_can_go(admin: AdminClient, database: Database) -> None:
    merchant = admin.merchant()
    sealed = Seals((OLD,)).seal(PLAIN)
    database.execute(
        "insert into merchant_secrets (secret, merchant_id) values (%s, %s)", [sealed, merchant["merchant_id"]]
    )
    with pytest.raises(SealError, match="SECRETS_KEYS"):
        seal_stored(database, Seals((NEW,)))
    assert stored(database) == [sealed]
    assert seal_stored(database, Seals((NEW, OLD))) == 1
    assert [Seals((NEW,)).unseal(each) for each in stored(database)] == [PLAIN]


def test_the_command_says_how_much_it_sealed(
    admin: AdminClient,
    database_url: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    some_secrets(admin)
    for name, value in (("DATABASE_URL", database_url), ("WAYPOST_HOME", str(home))):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SECRETS_KEYS", NEW.hex())
    assert main([]) == 1
    assert re.fullmatch(r"waypost: a secret is sealed with key \w+, .*SECRETS_KEYS.*\n", capsys.readouterr().err)
    monkeypatch.setenv("SECRETS_KEYS", f"{NEW.hex()},{'5e' * 32}")
    assert main([]) == 0
    assert "3 rows" in capsys.readouterr().out


def test_a_lost_key_is_noticed_at_the_start_and_its_secrets_can_be_replaced(
    admin: AdminClient,
    database: Database,
    database_url: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    some_secrets(admin)
    before = stored(database)
    with pytest.raises(SealError, match="SECRETS_KEYS"):
        require_keys(database, Seals((NEW,)))
    for name, value in (("DATABASE_URL", database_url), ("WAYPOST_HOME", str(home)), ("SECRETS_KEYS", NEW.hex())):
        monkeypatch.setenv(name, value)
    assert main(["--replace-lost"]) == 0
    assert "replaced the secrets of 3 rows" in capsys.readouterr().out
    require_keys(database, Seals((NEW,)))
    assert not set(stored(database)) & set(before)
