"""The one table of what an operation needs: rights, and whether a partner may do it at all.

An operation that is not in it is nobody's. A partner's rows are chosen by PostgreSQL (migrations/0023_row_rules.sql);
here it is only said which operations are of any use to one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tracking.rights import Right


class Need(NamedTuple):
    """What an operation needs. Without a right it is for everybody who is logged in, and judges by itself."""

    rights: frozenset[Right]
    partner: bool


# Each block begins with the rights, `-` for none, and says whether partners may; then come its operations: methods and
# a path, one path a line.
_TABLE = """
[-, partners]
DELETE /v1/session
GET /v1/me
POST /v1/me/password
POST /v1/me/totp
POST /v1/me/totp/confirm
POST /v1/me/totp/remove
POST /v1/me/recovery-codes
GET /v1/sessions
POST /v1/sessions/end
DELETE /v1/sessions/{session_id}
GET,POST /v1/api-tokens
GET,PATCH,DELETE /v1/api-tokens/{token_id}
POST /v1/api-tokens/{token_id}/rotate
[people:read]
GET /v1/users
GET /v1/users/{user_id}
[people:write]
POST /v1/users
PATCH,DELETE /v1/users/{user_id}
POST /v1/users/{user_id}/one-time-link
POST /v1/users/{user_id}/remove-totp
[configuration:read, partners]
GET /v1/sources
GET /v1/sources/{source_id}
GET /v1/links
GET /v1/links/{link_id}
GET /v1/links/{link_id}/qr.svg
GET /v1/links/{link_id}/qr.png
[configuration:read]
GET /v1/profiles
GET /v1/profiles/{profile_id}
GET /v1/profiles/{profile_id}/domain
GET /v1/merchants
GET /v1/merchants/{merchant_id}
GET /v1/links/{link_id}/versions
GET /v1/links/{link_id}/versions/{revision}
GET /v1/links/export.csv
GET /v1/links/export.ndjson
GET /v1/platforms
GET /v1/rotations
GET /v1/rotations/{rotation_id}
GET /v1/rotations/{rotation_id}/versions
GET /v1/rotations/{rotation_id}/versions/{revision}
GET /v1/caps
GET /v1/event-types
GET /v1/event-types/{event}
[configuration:read traffic:read]
POST /v1/links/{link_id}/dry-run
[configuration:write]
POST /v1/profiles
PATCH,DELETE /v1/profiles/{profile_id}
POST /v1/profiles/{profile_id}/archive
POST /v1/profiles/{profile_id}/restore
POST /v1/profiles/{profile_id}/test
POST,DELETE /v1/profiles/{profile_id}/next-hop-secrets
POST /v1/merchants
PATCH,DELETE /v1/merchants/{merchant_id}
POST /v1/merchants/{merchant_id}/archive
POST /v1/merchants/{merchant_id}/restore
POST /v1/merchants/{merchant_id}/tokens
POST /v1/merchants/{merchant_id}/secrets
POST /v1/sources
PATCH,DELETE /v1/sources/{source_id}
POST /v1/sources/{source_id}/archive
POST /v1/sources/{source_id}/restore
POST /v1/links
PATCH,DELETE /v1/links/{link_id}
POST /v1/links/{link_id}/archive
POST /v1/links/{link_id}/restore
POST /v1/links/{link_id}/rollback
POST /v1/links/{link_id}/test
POST /v1/links/import
POST /v1/links/import/faults.csv
POST /v1/links/change
POST /v1/links/delete-unused
POST /v1/rotations
PATCH,DELETE /v1/rotations/{rotation_id}
POST /v1/rotations/{rotation_id}/archive
POST /v1/rotations/{rotation_id}/restore
POST /v1/rotations/{rotation_id}/rollback
POST /v1/event-types
PATCH,DELETE /v1/event-types/{event}
[traffic:read, partners]
GET /v1/clicks
GET /v1/clicks/{click_id}
GET /v1/clicks/{click_id}/trace
GET /v1/trace
[traffic:read]
GET /v1/postbacks
GET /v1/replays
GET /v1/replays/{replay_id}
GET /v1/replays/{replay_id}/judgements
GET /v1/issues
GET /v1/issues/{issue_id}
GET /v1/retention
GET /v1/erasures
GET /v1/erasures/{erasure_id}
GET /v1/traffic-lists
GET /v1/class-runs
GET /v1/class-runs/{run_id}
GET /v1/links/{link_id}/traffic
GET /v1/ledger
[traffic:write]
POST /v1/postbacks/replay
POST /v1/postbacks/{postback_id}/replay
PATCH /v1/issues/{issue_id}
POST /v1/issues/resolve
POST /v1/erasures
PATCH /v1/traffic-lists
POST /v1/class-runs
[conversions:read, partners]
GET /v1/conversions
GET /v1/conversions/{conversion_id}
[conversions:write]
PATCH /v1/conversions/{conversion_id}
POST /v1/conversions/approve
POST /v1/conversions/reject
[conversions:write money:write]
POST /v1/conversions/rebook
[conversions:read money:read]
GET /v1/reconciliations
GET /v1/reconciliations/{reconciliation_id}
GET /v1/reconciliations/{reconciliation_id}/rows
GET /v1/reconciliations/{reconciliation_id}/rows.csv
[conversions:write money:read]
POST /v1/reconciliations
DELETE /v1/reconciliations/{reconciliation_id}
POST /v1/reconciliations/{reconciliation_id}/issues
[money:read, partners]
GET /v1/entries
GET /v1/balances
GET /v1/payouts
GET /v1/payouts/export
GET /v1/payouts/{payout_id}
[money:read]
GET /v1/commission-plans
GET /v1/commission-plans/{plan_id}
GET /v1/commission-plans/resolve
GET /v1/exchange-rates
GET /v1/exchange-rates/lookup
GET /v1/exchange-rates/{rate_id}
[money:write]
POST /v1/commission-plans
PATCH,DELETE /v1/commission-plans/{plan_id}
POST /v1/commission-plans/{plan_id}/archive
POST /v1/commission-plans/{plan_id}/restore
POST /v1/entries
POST /v1/exchange-rates
DELETE /v1/exchange-rates/{rate_id}
POST /v1/payouts/run
PATCH /v1/payouts/{payout_id}
POST /v1/payouts/{payout_id}/approve
POST /v1/payouts/{payout_id}/reject
POST /v1/payouts/{payout_id}/pay
[outgoing:read, partners]
GET /v1/outgoing-postbacks
GET /v1/outgoing-postbacks/{outgoing_postback_id}
GET /v1/postback-templates
GET /v1/deliveries
GET /v1/deliveries/{delivery_id}
[outgoing:write, partners]
POST /v1/outgoing-postbacks
PATCH,DELETE /v1/outgoing-postbacks/{outgoing_postback_id}
POST /v1/outgoing-postbacks/{outgoing_postback_id}/archive
POST /v1/outgoing-postbacks/{outgoing_postback_id}/restore
POST /v1/outgoing-postbacks/{outgoing_postback_id}/secret
POST /v1/outgoing-postbacks/{outgoing_postback_id}/test
POST /v1/deliveries/{delivery_id}/replay
POST /v1/deliveries/replay
[reports:read, partners]
GET /v1/reports
GET /v1/reports/conversions
GET /v1/reports/dimensions
GET /v1/reports.csv
GET /v1/reports.xlsx
GET /v1/saved-reports
GET /v1/saved-reports/{saved_report_id}
GET /v1/report-schedules
GET /v1/report-schedules/{report_schedule_id}
GET /v1/report-mails
GET /v1/report-mails/{report_mail_id}
[reports:write, partners]
POST /v1/saved-reports
PATCH,DELETE /v1/saved-reports/{saved_report_id}
POST /v1/saved-reports/{saved_report_id}/send
POST /v1/report-schedules
PATCH,DELETE /v1/report-schedules/{report_schedule_id}
[audit:read]
GET /v1/audit
[health:read]
GET /v1/health
"""


def _read_table() -> Iterator[tuple[str, Need]]:
    need = Need(frozenset(), partner=False)
    for line in _TABLE.split("\n"):
        if line.startswith("["):
            rights, _, partners = line.strip("[]").partition(", ")
            need = Need(frozenset(Right(each) for each in rights.split() if each != "-"), partners == "partners")
        elif line:
            methods, _, path = line.partition(" ")
            yield from ((f"{method} {path}", need) for method in methods.split(","))


NEEDS: dict[str, Need] = dict(_read_table())
