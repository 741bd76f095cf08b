"""Commission plans: what sources earn. The terms that conversions were booked under stay as they are."""

from __future__ import annotations

from functools import partial
from typing import Annotated, LiteralString

from admin_api.http import AmountMinor, Body, ConflictError, Countries, Currency, Day, ObjectId, Percent, Text
from admin_api.resources import Resource, insert, refuse_if_named
from admin_api.runtime import Database, Row
from tracking.runtime import FieldError


class CommissionPlanFields(Body):
    """What a client may set of a commission plan."""

    name: Annotated[str, Text(200)]
    """The name that operators use."""
    description: Annotated[str, Text(2000, shortest=0)] | None = None
    """A text that only operators see."""
    merchant_id: ObjectId | None = None
    """The merchant to whose conversions it applies; null for all merchants."""
    countries: Countries = []
    """The countries to whose clicks it applies; an empty list means all."""
    starts_on: Day
    """It applies to conversions from the beginning of this day on, in UTC."""
    currency: Currency
    """The currency of its amounts."""
    baseline_minor: AmountMinor | None = None
    """The total that a player must have deposited before the CPA amount is earned."""
    cpa_minor: AmountMinor | None = None
    """What an `ftd`, `qualified` or `conversion` earns, if its event type pays CPA."""
    cpl_minor: AmountMinor | None = None
    """What a registration earns."""
    revshare_percent: Percent | None = None
    """The percentage of the reported amount that is earned, with at most four decimals."""
    active: bool = True
    """Whether it is in use. A plan that is not active is never chosen."""


def missing_plan(field: str) -> partial[FieldError]:
    """Return the error of a reference to a plan that does not exist."""
    return partial(
        FieldError, field, f"{field} names a commission plan that does not exist; create it, or leave it out"
    )


def _refuse_archive(database: Database, row: Row) -> None:
    if row["active"]:
        raise ConflictError("this plan is in use; set its active to false before you archive it", code="in-use")
    refuse_if_named(database, row["plan_id"], _USERS)


_USERS: dict[str, LiteralString] = {
    "links": "from links where plan_id = %s and archived_at is null",
    "profiles": "from profiles where plan_id = %s and archived_at is null",
    "merchants": "from merchants where default_plan_id = %s and archived_at is null",
}
PLANS: Resource = Resource(
    singular="commission plan",
    plural="commission_plans",
    path="commission-plans",
    id_name="plan_id",
    description="What sources earn, for which conversions.",
    fields=CommissionPlanFields,
    # JSON has no decimal type; a number with four digits after the point is exact either way.
    select=(
        "select commission_plans.*, commission_plans.revshare_percent::float8 as revshare_percent from commission_plans"
    ),
    archivable=True,
    refuse_archive=_refuse_archive,
    create=lambda database, values, addresses: insert(database, PLANS, values),
    in_use="conversions were booked under this plan, or a link, profile or merchant names it; archive it instead",
    conflicts={
        "commission_plans_terms_are_kept": partial(
            ConflictError,
            "conversions were booked under this plan, so that its terms stay; make a new plan with a later starts_on",
            code="plan-in-use",
        ),
        "commission_plans_merchant_id_fkey": partial(
            FieldError, "merchant_id", "merchant_id names a merchant that does not exist; leave it out for all"
        ),
    },
    conflict_codes=("plan-in-use",),
)
