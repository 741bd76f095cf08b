"""The one place where errors become HTTP: RFC 9457 problem+json with a stable code, and never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

import falcon
import orjson
import psycopg
from psycopg.errors import InsufficientPrivilege, UndefinedColumn, UndefinedTable

from admin_api.http.errors import (
    AuthenticationError,
    BodyError,
    ConflictError,
    ForbiddenError,
    InvalidFieldsError,
    NotFoundError,
    PreconditionError,
    ReusedKeyError,
    RevisionError,
    TooManyRequestsError,
)
from admin_api.runtime import PARTNER_ROLE, standing
from tracking.runtime import FieldError, WaypostError

CONTENT_TYPE = "application/problem+json"
# The body of every error, as the documentation shows it.
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable; `detail` says what to do.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "field": {"type": "string", "description": "The field at fault; the first of several."},
        "errors": {
            "type": "array",
            "description": "Every field that cannot be accepted.",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
            },
        },
    },
}
RETRY_AFTER_S = 2
_log = logging.getLogger("waypost.admin")

_STATUSES: dict[type[WaypostError], HTTPStatus] = {
    BodyError: HTTPStatus.BAD_REQUEST,
    FieldError: HTTPStatus.BAD_REQUEST,
    InvalidFieldsError: HTTPStatus.BAD_REQUEST,
    AuthenticationError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    RevisionError: HTTPStatus.PRECONDITION_FAILED,
    PreconditionError: HTTPStatus.PRECONDITION_REQUIRED,
    ReusedKeyError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
}
# The errors that Falcon raises by itself. Others get the name of their status.
_FALCON_CODES = {
    HTTPStatus.BAD_REQUEST: "bad-body",
    HTTPStatus.NOT_FOUND: "no-such-route",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported-media-type",
}
_FALCON_DETAILS = {
    HTTPStatus.NOT_FOUND: "there is no such route; /v1/openapi.json has them all",
    HTTPStatus.METHOD_NOT_ALLOWED: "this route does not take this method; the header Allow names those it takes",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "send JSON, with the header Content-Type: application/json",
}


class Problem(NamedTuple):
    """A problem as the client gets it."""

    status: HTTPStatus
    code: str
    detail: str
    field: str | None = None
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = MappingProxyType({})


def problem_of(error: Exception) -> Problem:
    """Return the problem that tells a client about an error."""
    if isinstance(error, WaypostError):
        status = next((found for kind, found in _STATUSES.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
        return Problem(status, error.code, error.message, error.field, _field_errors(error), _headers(error, status))
    if isinstance(error, falcon.HTTPError):
        status = HTTPStatus(error.status_code)
        code = _FALCON_CODES.get(status, status.phrase.lower().replace(" ", "-"))
        detail = _FALCON_DETAILS.get(status) or error.description or status.description
        return Problem(status, code, detail, headers=dict(error.headers or {}))
    retry = {"Retry-After": str(RETRY_AFTER_S)}
    if isinstance(error, UndefinedTable | UndefinedColumn):
        detail = "the database has an old schema; run `python -m admin_api.migrate`"
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "old-schema", detail, headers=retry)
    if isinstance(error, InsufficientPrivilege):
        # SECURITY: the last line of defence. What is refused here should have been refused before, so it is logged.
        _log.error("PostgreSQL refused a request: %s", str(error).partition("\n")[0])
        if standing().role == PARTNER_ROLE:
            return Problem(HTTPStatus.FORBIDDEN, ForbiddenError.code, "partners cannot do this")
        detail = "the database gives the admin API no right to do this; run `python -m admin_api.migrate`"
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "old-schema", detail, headers=retry)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        detail = "the database did not answer; nothing was changed for certain, so read before you repeat"
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database-away", detail, headers=retry)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "this should not have happened; it was logged")


def _headers(error: WaypostError, status: HTTPStatus) -> Mapping[str, str]:
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(error.retry_after_s)}
    return {"WWW-Authenticate": "ApiKey, Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}


def _field_errors(error: WaypostError) -> tuple[FieldError, ...]:
    if isinstance(error, InvalidFieldsError):
        return error.errors
    return (error,) if isinstance(error, FieldError) else ()


def handle_error(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    """Answer a request whose responder raised an error. The app has no other error handler."""
    problem = problem_of(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s %s failed", req.method, req.path, exc_info=error)
    elif problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        _log.warning("%s %s: %s", req.method, req.path, str(error).partition("\n")[0])
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "code": problem.code,
        "detail": problem.detail,
    }
    if problem.field is not None:
        body["field"] = problem.field
    if problem.errors:
        body["errors"] = [{"field": each.field, "code": each.code, "detail": each.message} for each in problem.errors]
    resp.status = problem.status
    resp.set_headers(dict(problem.headers))
    resp.content_type = CONTENT_TYPE
    resp.data = orjson.dumps(body)
