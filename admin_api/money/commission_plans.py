"""Commission plans: what sources earn. The terms of one that conversions were booked under stay as they are."""

from __future__ import annotations

from functools import partial

from admin_api.http import ConflictError, Field, countries, currency, day, flag, object_id, percent, text, whole
from admin_api.resources import Noun, insert
from tracking.money import AMOUNT_MINOR_MAX
from tracking.runtime import FieldError

_AMOUNT = whole(0, AMOUNT_MINOR_MAX)


def missing_plan(field: str) -> partial[FieldError]:
    """Return the error of a reference to a plan that does not exist."""
    return partial(
        FieldError, field, f"{field} names a commission plan that does not exist; create it, or leave it out"
    )


PLANS: Noun = Noun(
    singular="commission plan",
    plural="commission_plans",
    path="commission-plans",
    id_name="plan_id",
    fields=(
        Field("name", text(200)),
        Field("description", text(2000, shortest=0), default=None, nullable=True),
        Field("merchant_id", object_id, default=None, nullable=True),
        Field("countries", countries, default=[]),
        Field("starts_on", day),
        Field("currency", currency),
        Field("baseline_minor", _AMOUNT, default=None, nullable=True),
        Field("cpa_minor", _AMOUNT, default=None, nullable=True),
        Field("cpl_minor", _AMOUNT, default=None, nullable=True),
        Field("revshare_percent", percent, default=None, nullable=True),
        Field("active", flag, default=True),
    ),
    # JSON has no decimals; four digits after the point are exact either way.
    select=(
        "select commission_plans.*, commission_plans.revshare_percent::float8 as revshare_percent from commission_plans"
    ),
    create=lambda database, values, addresses: insert(database, PLANS, values),
    in_use="conversions were booked under this plan, or a link, profile or merchant names it; set its active to false",
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
)
