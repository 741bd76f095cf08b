"""Requests generated from the OpenAPI document, good and bad, on a real database: every answer is as documented.

One test for each operation. A request that fits the schema is accepted, unless a rule that no schema can say refuses it
(`BEYOND_A_SCHEMA`); one that does not fit is refused; no answer has an undocumented status, header or shape.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from admin_api.app import create_app
from admin_api.http import encode_place
from admin_client import admin_client
from money_cases import opened_books

EXAMPLES = 15
# By the field at fault: what it must name, or how it must fit other fields, is known to the database alone.
BEYOND_A_SCHEMA = {
    "merchant_id": "must exist",
    "profile_id": "must exist",
    "source_id": "must exist",
    "plan_id": "must exist",
    "default_plan_id": "must exist",
    "link_id": "must exist",
    "conversion_id": "must exist",
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
    "at": "goes with an address; may lie in the future only where nothing is made",
}


# The operations that requests were sent to.
tested: set[str] = set()
# The cursor of a list by time, which no pattern can describe.
schemathesis.openapi.format("waypost-cursor", st.builds(encode_place, st.datetimes(timezones=st.just(UTC)), st.uuids()))


class Api(NamedTuple):
    """The app's document, and the headers of a valid token."""

    schema: Any
    headers: dict[str, str]


@pytest.fixture(scope="module")
def api(postgres_server: str, template_database: str, redis_server: str) -> Iterator[Api]:
    """Yield the app on a database that has something of everything."""
    name = f"waypost_openapi_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database} strategy file_copy")
    database_url = urlsplit(postgres_server)._replace(path=f"/{name}").geturl()
    try:
        with opened_books(database_url, redis_server), admin_client(database_url, redis_server) as admin:
            schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", create_app(admin.collaborators))
            yield Api(schema, {"Authorization": f"ApiKey {admin.token}"})
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


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


# From a fixture: reading the document when tests are collected costs every run of any tests 15 seconds a process.
@pytest.mark.timeout(1200)
@schemathesis.pytest.from_fixture("schema").parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_as_documented(case: schemathesis.Case, api: Api) -> None:
    tested.add(case.operation.label)
    response = case.call(headers=api.headers)
    # A body that is too large is refused before it is read.
    too_large = [negative_data_rejection] if response.status_code == 413 else []
    case.validate_response(
        response,
        headers=api.headers,
        excluded_checks=[positive_data_acceptance, *too_large],
        additional_checks=[good_requests_are_accepted],
    )


def test_every_operation_was_tested(schema: Any) -> None:
    """After the test above, which has one part for each operation."""
    assert tested == {each.ok().label for each in schema.get_all_operations()}
