"""Requests generated from the OpenAPI document, good and bad, on a real database: every answer is as documented.

One test for each operation. A request that fits the schema is accepted, unless a rule that no schema can say refuses it
(`BEYOND_A_SCHEMA`); one that does not fit is refused; no answer has an undocumented status, header or shape.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.checks import missing_required_header, negative_data_rejection, positive_data_acceptance
from schemathesis.generation.meta import TestPhase

from admin_api.app import create_app
from admin_api.http import Column, encode_place, order_of
from admin_api.runtime import Database
from admin_client import connect
from config.configuration import hash_token
from one_of_each import OneOfEach

EXAMPLES = 6
# Of the requests for every boundary of every parameter, so many are all sent, and of the others one in so many.
COVERED_WHOLLY = 24
STRIDE = 7
FEWER_EXAMPLES = 3
WITH_BODIES = ["POST", "PATCH", "PUT"]
# Walks along the links from what was created, and the requests of each.
WALKS = 12
WALK = settings(
    max_examples=4,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],
)
FOLLOWED_MIN = 10
# What can be created without naming anything else, so that walks come further than their first step.
CREATED_ALONE = ("profiles", "merchants", "sources", "rotations", "commission-plans", "event-types", "exchange-rates")
# By the field at fault: what it must name, or how it must fit other fields, is known to the database alone.
BEYOND_A_SCHEMA = {
    "merchant_id": "must exist",
    "profile_id": "must exist",
    "source_id": "must exist",
    "plan_id": "must exist",
    "default_plan_id": "must exist",
    "link_id": "must exist",
    "conversion_id": "must exist",
    "question": "must be one that reports answer",
    "saved_report_id": "must exist, and be the caller's",
    "default_event": "must exist",
    "event_words": "must name event types that exist",
    "status_words": "must have words of printable characters",
    "events": "must name event types that exist",
    "destination_url": "must be a URL in every part, with macros that exist",
    "notes": "may have 50 lines",
    "change": "must say something to change",
    "fallback_url": "must be a URL in every part",
    "pixels": "must be URLs in every part",
    "redirect_hosts": "must be host names",
    "routing": "must be rules with URLs in every part, that fit together and with what is stored",
    "destinations": "must have URLs in every part, and numbers that were given",
    "url": "must be a URL in every part that leads nowhere private, or be made by a template",
    "template_values": "must fit the template",
    "postback_addresses": "must be networks",
    "networks": "must be networks",
    "parameter_names": "must name each parameter once",
    "revshare_percent": "must have at most four decimals",
    "click_id": "must be alone in the question for a trace",
    "ip": "must be an address or a network",
    "address": "must be an address",
    "to": "must be a day from the first one on",
    "time_zone": "must be known to the database",
    "columns": "must be headings of the file",
    "header_row": "must be a row of the file",
    "date_format": "must have a year, a month and a day, and go with dates in text",
    "decimal_separator": "goes with amounts in text",
    "sheet": "must be a sheet of the workbook",
    "only_events": "must name event types that exist",
    "statuses": "must have each word once, in capitals or small letters",
    "file": "must be of the format that is stated",
    "quote": "must be another currency than base",
    "group_by": "must have each dimension once, and neither class nor event with what has none",
    "sort": "must be a dimension that is grouped by, or a column that fits",
    "cursor": "must be of the same sort or question",
    "currency": "must be in use",
    "from": "must not be too long before to",
    "expires_at": "must be in the future",
    "at": "goes with an address; may lie in the future only where nothing is made",
}


def sorted_cursor(value: str, number: int) -> str:
    """Return a cursor of a list by name. It fits no other sort, which BEYOND_A_SCHEMA knows."""
    return order_of("name", {"name": Column("name", str)}, "number").cursor(value, number)


# The operations that requests were sent to.
tested: set[str] = set()
# How many requests of the first phase each operation has had.
covered: Counter[str] = Counter()
# The cursors of lists, which no pattern can describe.
schemathesis.openapi.format("waypost-cursor", st.builds(encode_place, st.datetimes(timezones=st.just(UTC)), st.uuids()))
schemathesis.openapi.format("waypost-sorted-cursor", st.builds(sorted_cursor, st.text(), st.integers(1, 2**40)))


class Api(NamedTuple):
    """The app's document, the headers of a valid token, and its database."""

    schema: Any
    headers: dict[str, str]
    token_hash: str
    database: Database


@pytest.fixture(scope="module")
def api(each: OneOfEach, module_database_url: str) -> Iterator[Api]:
    """Yield the app on a database that has something of everything."""
    admin = each.admin
    with closing(connect(module_database_url)) as database:
        schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", create_app(admin.collaborators))
        headers = {"Authorization": f"ApiKey {admin.token}"}
        yield Api(schema, headers, hash_token(admin.token), database)


def good_requests_are_accepted(context: Any, response: Any, case: Any) -> None:
    """A request that fits its schema is refused only for what BEYOND_A_SCHEMA names."""
    if not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    for error in response.json().get("errors", [{"field": "", "detail": response.text}]):
        field = re.split(r"[.\[]", error["field"])[0]
        if error["detail"] == f"{error['field']} must be a whole number":
            # 7.0 is an integer to JSON Schema, and a float here.
            continue
        assert field in BEYOND_A_SCHEMA, f"a request that fits the schema is refused: {error}"


@pytest.fixture(scope="module")
def schema(api: Api) -> Any:
    """Return the document, as Schemathesis reads it from the app."""
    return api.schema


@pytest.fixture(autouse=True)
def _id_for_schemathesis(request: pytest.FixtureRequest) -> None:
    """Schemathesis 4.32 reads an attribute that pytest 9.2 no longer has."""
    request.node._nodeid = request.node.nodeid


def is_one_of_many(case: schemathesis.Case) -> bool:
    """Say whether a request can be left out: one that differs in a single filter from many that were sent.

    Schemathesis first sends a request for every boundary of every parameter: hundreds for a list with many filters.
    """
    if case.meta.phase.name is not TestPhase.COVERAGE:
        return False
    label = case.operation.label
    covered[label] += 1
    return covered[label] > COVERED_WHOLLY and bool(covered[label] % STRIDE)


def answered(case: schemathesis.Case, api: Api) -> Any:
    """Send a request. Some requests take the rights of the token that sends them, which gets them back."""
    tested.add(case.operation.label)
    response = case.call(headers=api.headers)
    api.database.execute(
        "update api_tokens set revoked_at = null, expires_at = null where token_hash = %s and"
        " (revoked_at is not null or expires_at is not null)",
        [api.token_hash],
    )
    return response


def validate(case: schemathesis.Case, response: Any, api: Api) -> None:
    """Compare an answer with what is documented."""
    # Without a token that works, nothing would be tested at all.
    assert response.status_code != 401 or case.operation.definition.raw.get("security") == [], response.text
    # A body that is too large is refused before it is read; an If-Match that is no revision matches none, and one that
    # is missing has a status of its own.
    unread = [negative_data_rejection] if response.status_code in (412, 413) else []
    unread += [missing_required_header] if response.status_code == 428 else []
    case.validate_response(
        response,
        headers=api.headers,
        excluded_checks=[positive_data_acceptance, *unread],
        additional_checks=[good_requests_are_accepted],
    )


# From a fixture: reading the document when tests are collected costs every run of any tests 15 seconds a process.
# What has a body is tried with more requests than what has a path and perhaps a query.
@pytest.mark.timeout(1200)
@schemathesis.pytest.from_fixture("schema").include(method=WITH_BODIES).parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_as_documented(case: schemathesis.Case, api: Api) -> None:
    if not is_one_of_many(case):
        validate(case, answered(case, api), api)


# The client in the test's own process does not close what an answer is read from, as a server does.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(1200)
@schemathesis.pytest.from_fixture("schema").exclude(method=WITH_BODIES).parametrize()
@settings(max_examples=FEWER_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_to_a_request_without_a_body_is_as_documented(case: schemathesis.Case, api: Api) -> None:
    if not is_one_of_many(case):
        validate(case, answered(case, api), api)


def test_every_operation_was_tested(schema: Any) -> None:
    """After the tests above, which have one part for each operation."""
    assert tested == {each.ok().label for each in schema.get_all_operations()}


@pytest.mark.timeout(600)
def test_what_was_created_is_read_changed_archived_and_deleted_as_documented(api: Api) -> None:
    """Walks along the links of the document, from each creation to everything that can be done with the new object."""
    followed: set[str] = set()
    # They are raised at the end: Hypothesis would first repeat the walk, and find the objects of this one in its way.
    failures: list[Exception] = []
    created_alone = api.schema.include(path_regex=rf"^/v1/({'|'.join(CREATED_ALONE)})(/|$)")

    class Walk(created_alone.as_state_machine()):  # type: ignore[misc]
        """One walk: its requests carry the token, and each answer is compared with the document."""

        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"headers": api.headers}

        def call(self, case: schemathesis.Case, **kwargs: Any) -> Any:
            return answered(case, api)

        def validate_response(self, response: Any, case: schemathesis.Case, **kwargs: Any) -> None:
            if "{" in case.operation.path and response.status_code < 300:
                followed.add(case.operation.label)
            try:
                validate(case, response, api)
            except (AssertionError, ExceptionGroup) as error:
                failures.append(error)

    for number in range(WALKS):
        Walk._hypothesis_internal_use_seed = number
        # What a walk creates stays, so another one that begins in the same way may be answered otherwise.
        with suppress(FlakyStrategyDefinition):
            Walk.run(settings=WALK)
    if failures:
        raise failures[0]
    # Most links lead to objects that exist, since they were just created.
    assert len(followed) >= FOLLOWED_MIN, sorted(followed)
