"""The ids of signed postbacks are kept for as long as a copy of one could arrive, and then no longer."""

from __future__ import annotations

import pytest

import worker_cases as cases
from worker.postbacks import nonce_retention as nonces
from worker.postbacks.nonce_retention import KEPT_DAYS, forget_old_nonces

_INSERT = (
    "insert into postback_nonces select 1, 'id ' || days || ' ' || number, gen_random_uuid(),"
    " now() - make_interval(days => days, secs => 1) from unnest(%s::int[]) as days, generate_series(1, %s) as number"
    " returning nonce"
)


def test_old_ids_are_forgotten_in_short_transactions_and_younger_ones_kept(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonces, "DELETED_TOGETHER", 7)
    with cases.installed(database_url, redis_url) as used:
        cases.rows(database_url, _INSERT, [0, KEPT_DAYS - 1, KEPT_DAYS, KEPT_DAYS + 100], 10)
        forget_old_nonces()
        left = cases.rows(database_url, "select nonce from postback_nonces")
        assert {name.split()[1] for (name,) in left} == {"0", str(KEPT_DAYS - 1)}
        assert len(left) == 20
        assert used.tally.total["nonces_forgotten"] == 20
        forget_old_nonces()
        assert len(cases.rows(database_url, "select nonce from postback_nonces")) == 20
