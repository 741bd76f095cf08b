"""Saved reports: a question under a name. Its owner alone changes it; others may read it if it is shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field

from admin_api.http import Body, Condition, Filter, Flag, InvalidFieldsError, Text, Values, checked, refuse_control
from admin_api.resources import Resource, insert
from admin_api.runtime import Database, Row
from tracking.runtime import FieldError

PARAMETERS_MAX = 60
_VALUE_CHARACTERS_MAX = 2000
CheckQuestion = Callable[[Mapping[str, str]], None]
_Name = Annotated[str, Field(min_length=1, max_length=40), checked(refuse_control)]
_Value = Annotated[str, Field(max_length=_VALUE_CHARACTERS_MAX), checked(refuse_control)]


class SavedReportFields(Body):
    """What a client may set of a saved report."""

    name: Annotated[str, Text(200)]
    """The name that operators use. It is the subject when the report is sent."""
    shared: bool = False
    """Whether others may read it. What a partner shares, partners of the same source read."""
    question: Annotated[dict[_Name, _Value], Field(max_length=PARAMETERS_MAX)]
    """The parameters of GET /v1/reports. A `period` such as `last_7_days` may stand for `from` and `to`."""


class SavedReportFilter(Filter):
    """The saved reports to find. All given filters must hold."""

    shared: Annotated[Flag | None, Condition("saved_reports.shared = %(shared)s")] = None
    """Whether it is shared."""
    mine: Annotated[
        Flag | None,
        Condition("viewer_owns_report(saved_reports.owner_user_id, saved_reports.owner_token_id) = %(mine)s"),
    ] = None
    """Whether it is the caller's own."""


def saved_reports(check_question: CheckQuestion) -> Resource:
    """Return the resource. `check_question` raises FieldError, with the parameter's name, for a bad question."""

    def prepare(database: Database, values: Values, before: Row | None) -> Values:
        if "question" in values:
            try:
                check_question(values["question"])
            except InvalidFieldsError as error:
                raise InvalidFieldsError([_in_question(each) for each in error.errors]) from error
            except FieldError as error:
                raise _in_question(error) from error
        return values

    resource = Resource(
        singular="saved report",
        plural="saved_reports",
        path="saved-reports",
        id_name="saved_report_id",
        description="A question to GET /v1/reports that was saved under a name.",
        fields=SavedReportFields,
        select=("select saved_reports.*, viewer_owns_report(owner_user_id, owner_token_id) as mine from saved_reports"),
        filters=SavedReportFilter,
        prepare=prepare,
        create=lambda database, values, addresses: insert(database, resource, values),
        in_use="something still uses this report",
        shown_types={
            "mine": Annotated[bool, Field(description="Whether it is the caller's own. Others cannot change it.")],
            "owner_user_id": Annotated[
                int | None, Field(description="The user who owns it. Null: an API token of the installation owns it.")
            ],
        },
    )
    return resource


def _in_question(error: FieldError) -> FieldError:
    return FieldError(f"question.{(error.field or '').removeprefix('question.')}", error.message)
