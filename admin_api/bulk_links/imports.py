"""Runs an import: reads a file, says what it would do, and does it in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from admin_api.bulk_links.faults import Fault, error_of
from admin_api.bulk_links.file_rows import file_rows
from admin_api.bulk_links.import_settings import ImportSettings
from admin_api.bulk_links.planning import Plan
from admin_api.bulk_links.saving import Staging, alone
from admin_api.http import preview_token, require_preview
from admin_api.runtime import Actor, Database, attributed


class Outcome(NamedTuple):
    """What an import does or did, and everything that is wrong with its rows, in their order."""

    rows: int
    created: int
    updated: int
    unchanged: int
    errors: int
    faults: Sequence[Fault]
    token: str | None


def run_import(database: Database, file: BinaryIO, settings: ImportSettings, actor: Actor) -> Outcome:
    """Preview an import or, with the token of its preview, carry it out. Nothing is written while a row has an error.

    Raises FieldError for the file as a whole, and ConflictError if the preview is outdated or another import runs.
    """
    previewing = settings.token is None
    with attributed(database, actor), alone(database, previewing=previewing):
        plan = Plan(database, settings, lock=not previewing)
        staging = Staging(database)
        for drafts in plan.drafts(file_rows(file, settings)):
            staging.add(drafts)
        token = preview_token(plan.lines)
        if settings.token is not None:
            finds = f"rows now have {plan.errors} errors" if plan.errors else "the rows or the links have changed"
            require_preview(settings.token, "" if plan.errors else token, finds)
        # A preview only writes what is needed to find loops, and takes it back.
        if not plan.errors and (not previewing or staging.looping):
            staging.save()
            plan.faults += [
                error_of(number, error.field or "", "", error.code, error.message) for number, error in staging.loops()
            ]
            if not previewing:
                require_preview(settings.token or "", "" if plan.errors else token, "a link leads back to itself")
    return Outcome(
        plan.rows,
        plan.created,
        plan.updated,
        plan.unchanged,
        plan.errors,
        sorted(plan.faults, key=lambda fault: fault.row),
        None if plan.errors else token,
    )
