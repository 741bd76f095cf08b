"""Opens issues about postbacks that had to be corrected, one for each account and kind of correction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from config.tables import postbacks
from tracking.issues import IssueKind
from tracking.spool import Postback, as_text
from worker.conversions import Claim
from worker.issues import open_issue
from worker.postbacks.reparsing import StoredPostback
from worker.postbacks.rows import PostbackRow
from worker.runtime import Connection

_TITLE_CHARACTERS_MAX = 300


class Corrected(NamedTuple):
    """A postback that had to be corrected to be understood. `request` is the raw request as it is stored."""

    claim: Claim
    corrections: Sequence[Mapping[str, str | None]]
    request: Mapping[str, Any]


def open_corrections(connection: Connection, rows: Iterable[PostbackRow]) -> None:
    """Open the issues of newly stored postbacks."""
    open_corrected(
        connection,
        [
            Corrected(row.claim, row.corrections, request_of(row.raw))
            for row in rows
            if row.claim is not None and row.corrections
        ],
    )


def open_corrected(connection: Connection, corrected: Iterable[Corrected]) -> None:
    """Open the issues of corrected postbacks, in a fixed order, so that two processes cannot deadlock."""
    found = [(_subject(each.claim, rule), rule, each) for each in corrected for rule in _rules(each)]
    for subject_key, rule, each in sorted(found, key=lambda item: item[0]):
        by_rule = [correction for correction in each.corrections if correction["rule"] == rule]
        fields = ", ".join(sorted({str(correction["field"]) for correction in by_rule}))
        account = "a postback without an account" if each.claim.merchant_id is None else "the account's postbacks"
        open_issue(
            connection,
            IssueKind.CORRECTED_POSTBACK,
            subject_key,
            f"{fields} of {account} had to be corrected: {rule}"[:_TITLE_CHARACTERS_MAX],
            {
                "rule": rule,
                "corrections": by_rule,
                "received_at": each.claim.received_at.isoformat(),
                "request": dict(each.request),
            },
            merchant_id=each.claim.merchant_id,
            postback_id=each.claim.postback_id,
            click_id=each.claim.click_id,
        )


def request_of(postback: Postback | StoredPostback) -> dict[str, str | None]:
    """Return a raw request as an issue shows it."""
    values = {name: getattr(postback, name) for name in postbacks.REQUEST}
    if isinstance(postback, Postback):
        return {name: as_text(value) for name, value in values.items()}
    return values


def _subject(claim: Claim, rule: str) -> str:
    return f"merchant:{claim.merchant_id or 'none'}:{rule}"[:_TITLE_CHARACTERS_MAX]


def _rules(corrected: Corrected) -> list[str]:
    return sorted({str(correction["rule"]) for correction in corrected.corrections})
