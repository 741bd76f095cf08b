"""Makes the OpenAPI 3.1 document from the operations that the routes declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

import falcon
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from admin_api.http import (
    CONTENT_TYPE,
    ID_MAX,
    IDEMPOTENCY_IN_USE,
    METHODS,
    SCHEMA,
    Operation,
    PathParameter,
    Route,
    operation_of,
)
from admin_api.openapi.headers import answer_headers, header_parameters
from admin_api.openapi.links import add_links

MEDIA_MULTIPART = "multipart/form-data"
_PROBLEM = "Problem"
_REFERENCE = "#/components/schemas/{model}"
_SECURITY_SCHEMES = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: ApiKey TOKEN`. The first token is in `admin-token` in WAYPOST_HOME.",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same token as `Authorization: Bearer TOKEN`."},
}
_TITLE = "Waypost admin API"
_ABOUT = (
    "Everything an operator configures, sees and decides. Every route under /v1 but this document needs an API token."
    " Errors are RFC 9457 problem details with a stable `code`. Lists are read page by page: send `next_cursor` as"
    " `cursor`. A change of one object carries the ETag of what it is based on as `If-Match`."
)
Schemas = Mapping[Any, Mapping[str, Any]]


def build_document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document of some routes in JSON types."""
    operations = list(_operations(routes))
    schemas, definitions = models_json_schema(
        sorted(_models(declared for _, _, declared in operations), key=lambda each: (each[0].__qualname__, each[1])),
        ref_template=_REFERENCE,
    )
    components = dict(definitions.get("$defs", {}))
    paths: dict[str, dict[str, Any]] = {}
    for path, method, declared in operations:
        paths.setdefault(path, {})[method] = _operation(path, method, declared, schemas, components)
    add_links(paths)
    for _, _, declared in operations:
        if declared.query is not None:
            # The fields of a query are listed as parameters of each operation.
            components.pop(_name(schemas[declared.query, "validation"]), None)
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in _SECURITY_SCHEMES],
        "tags": [{"name": name} for name in sorted({_tag(path) for path in paths})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {_PROBLEM: SCHEMA, **dict(sorted(components.items()))},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _operations(routes: Iterable[Route]) -> Iterator[tuple[str, str, Operation]]:
    for path, resource in routes:
        for method in METHODS:
            declared = operation_of(resource, method)
            if declared is not None:
                yield path, method, declared


def _models(operations: Iterable[Operation]) -> set[tuple[type[BaseModel], JsonSchemaMode]]:
    found: set[tuple[type[BaseModel], JsonSchemaMode]] = set()
    for declared in operations:
        for model in (declared.query, declared.body, declared.form):
            if model is not None:
                found.add((model, "validation"))
        if declared.returns is not None:
            found.add((declared.returns, "serialization"))
    return found


def _operation(
    path: str, method: str, declared: Operation, schemas: Schemas, components: Mapping[str, Any]
) -> dict[str, Any]:
    parameters = [_path_parameter(each) for each in declared.path]
    if declared.query is not None:
        parameters += _query_parameters(components[_name(schemas[declared.query, "validation"])])
    parameters += map(dict, header_parameters(declared))
    shown: dict[str, Any] = {
        "operationId": f"{method}_" + re.sub(r"\W+", "_", path.removeprefix("/v1")).strip("_"),
        "summary": declared.summary,
        "description": declared.description,
        "tags": [_tag(path)],
        "parameters": parameters,
        "responses": _responses(declared, method, schemas),
    }
    if declared.open:
        shown["security"] = []
    body = _request_body(declared, schemas)
    if body is not None:
        shown["requestBody"] = body
    return shown


def _path_parameter(parameter: PathParameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if parameter.kind is int:
        schema = {"type": "integer", "minimum": 1, "maximum": ID_MAX}
    elif parameter.kind is UUID:
        schema = {"type": "string", "format": "uuid"}
    return {"name": parameter.name, "in": "path", "required": True, "schema": schema}


def _query_parameters(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = model.get("required", ())
    parameters = []
    for name, declared in model["properties"].items():
        schema = {key: value for key, value in declared.items() if key not in ("title", "description")}
        if schema.get("default", ...) is None:
            del schema["default"]
        kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
        schema |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}
        parameter = {"name": name, "in": "query", "required": name in required, "schema": schema}
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        if "description" in declared:
            parameter["description"] = declared["description"]
        parameters.append(parameter)
    return parameters


def _request_body(declared: Operation, schemas: Schemas) -> dict[str, Any] | None:
    if declared.form is not None:
        parts = {
            "settings": schemas[declared.form, "validation"],
            "file": {"type": "string", "minLength": 1, "contentMediaType": "application/octet-stream"},
        }
        form = {
            "type": "object",
            "additionalProperties": False,
            "required": list(parts),
            "properties": parts,
        }
        return {
            "required": True,
            "content": {
                MEDIA_MULTIPART: {"schema": form, "encoding": {"settings": {"contentType": "application/json"}}}
            },
        }
    if declared.body is None:
        return None
    return {
        "required": declared.body_required,
        "content": {falcon.MEDIA_JSON: {"schema": schemas[declared.body, "validation"]}},
    }


def _responses(declared: Operation, method: str, schemas: Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in declared.statuses:
        answer: dict[str, Any] = {"description": status.phrase}
        if declared.returns is not None:
            answer["content"] = {falcon.MEDIA_JSON: {"schema": schemas[declared.returns, "serialization"]}}
        elif declared.produces != falcon.MEDIA_JSON:
            answer["content"] = {declared.produces: {"schema": {"type": "string"}}}
        headers = answer_headers(declared)
        if headers:
            answer["headers"] = headers
        responses[str(status.value)] = answer
    problems = _problems(declared)
    return responses | {
        str(status.value): {
            "description": f"{status.phrase}: {codes}" if codes else status.phrase,
            "content": {CONTENT_TYPE: {"schema": {"$ref": _REFERENCE.format(model=_PROBLEM)}}},
        }
        for status, codes in sorted(problems.items())
    }


def _problems(declared: Operation) -> dict[HTTPStatus, str]:
    """Return the errors of an operation, with their codes if there are only a few."""
    problems: dict[HTTPStatus, str] = {
        HTTPStatus.INTERNAL_SERVER_ERROR: "internal-error",
        HTTPStatus.SERVICE_UNAVAILABLE: "database-away, old-schema",
    }
    reads = declared.body or declared.query or declared.form
    if reads or declared.refused:
        codes = ("invalid-field", "missing-field", "unknown-field") if reads else ()
        problems[HTTPStatus.BAD_REQUEST] = ", ".join([*codes, *declared.refused])
    if declared.body or declared.form:
        problems[HTTPStatus.BAD_REQUEST] += ", bad-body"
        problems[HTTPStatus.REQUEST_ENTITY_TOO_LARGE] = "too-large"
        problems[HTTPStatus.UNSUPPORTED_MEDIA_TYPE] = "unsupported-media-type"
    if declared.form:
        problems[HTTPStatus.LENGTH_REQUIRED] = "length-required"
    if not declared.open:
        problems[HTTPStatus.UNAUTHORIZED] = "bad-token"
        problems[HTTPStatus.TOO_MANY_REQUESTS] = "too-many-requests"
        problems[HTTPStatus.FORBIDDEN] = "forbidden, cross-site"
    if declared.guessable:
        problems[HTTPStatus.UNAUTHORIZED] = "bad-token, bad-login, code-required"
        problems[HTTPStatus.TOO_MANY_REQUESTS] = "too-many-requests, too-many-attempts"
        problems[HTTPStatus.FORBIDDEN] = "forbidden, cross-site"
    if declared.path or declared.not_found:
        problems[HTTPStatus.NOT_FOUND] = ", ".join(declared.not_found or ("not-found",))
    conflicts = (*declared.conflicts, *[IDEMPOTENCY_IN_USE] * declared.repeatable)
    if conflicts:
        problems[HTTPStatus.CONFLICT] = ", ".join(conflicts)
    if declared.repeatable:
        problems[HTTPStatus.UNPROCESSABLE_ENTITY] = "idempotency-key-reused"
        problems.setdefault(HTTPStatus.BAD_REQUEST, "invalid-field")
    if declared.conditional:
        problems[HTTPStatus.PRECONDITION_FAILED] = "revision-mismatch"
        problems[HTTPStatus.PRECONDITION_REQUIRED] = "precondition-required"
    return problems


def _name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _tag(path: str) -> str:
    parts = path.removeprefix("/v1").strip("/").split("/")
    return parts[0] if path.startswith("/v1") else "operation"
