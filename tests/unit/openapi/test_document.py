"""The OpenAPI document has every route and operation, and every answer is a class that serves what it documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import falcon.inspect
import pytest
import schemathesis
from pydantic import BaseModel

from admin_api.app import Collaborators, create_app, routes_of
from admin_api.http import METHODS, Operation, operation_of
from admin_api.openapi import build_document, documented
from admin_api.resources import Addresses

# Nothing is connected to: the routes only keep what they are given.
NOBODY: Any = None
COLLABORATORS = Collaborators(NOBODY, NOBODY, Addresses("https", 8080), (b"a key of the tests",))
ROUTES = documented(routes_of(COLLABORATORS))
DOCUMENT = build_document(ROUTES)


def operations() -> Iterator[tuple[str, str, Operation]]:
    """Every declared operation with its path and method."""
    for path, resource in ROUTES:
        for method in METHODS:
            if (declared := operation_of(resource, method)) is not None:
                yield path, method, declared


def described() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation of the document with its name."""
    for path, methods in DOCUMENT["paths"].items():
        for method, shown in methods.items():
            yield f"{method.upper()} {path}", shown


def test_every_route_and_method_of_the_app_is_in_the_document() -> None:
    answered = {
        (route.path, method.method.lower())
        for route in falcon.inspect.inspect_app(create_app(COLLABORATORS)).routes
        for method in route.methods
        if not method.internal
    }
    assert answered == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}


def test_the_document_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_every_operation_says_in_words_what_it_does() -> None:
    for name, shown in described():
        assert re.fullmatch(r"[A-Z].*[^.]", shown["summary"]), name
        assert shown["description"], name
    ids = [shown["operationId"] for _, shown in described()]
    assert len(set(ids)) == len(ids)


def test_the_path_of_every_operation_has_the_parameters_that_it_declares() -> None:
    for path, method, declared in operations():
        assert re.findall(r"{(\w+)}", path) == [each.name for each in declared.path], f"{method} {path}"


def test_an_answer_is_a_declared_class_a_file_or_nothing() -> None:
    for path, method, declared in operations():
        nothing = declared.statuses[0].value == 204
        is_file = declared.produces != falcon.MEDIA_JSON or path == "/v1/openapi.json"
        assert (declared.returns is not None) + nothing + is_file == 1, f"{method} {path}"


def models(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A class and every class that its fields hold."""
    seen: set[Any] = set()
    waiting: list[Any] = [kind]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each
            waiting += [field.annotation for field in each.model_fields.values()]
        else:
            waiting += [part for part in getattr(each, "__args__", ()) if part.__hash__]


def test_every_documented_field_of_an_answer_is_always_served() -> None:
    """A field without a default must be given when the answer is built, so that none can be forgotten."""
    for path, method, declared in operations():
        for model in models(declared.returns) if declared.returns else ():
            optional = [name for name, field in model.model_fields.items() if not field.is_required()]
            assert optional == [], f"{method} {path}: {model.__name__}"


def test_every_field_of_a_body_refuses_what_is_not_declared() -> None:
    for path, method, declared in operations():
        for read in (declared.body, declared.query, declared.form):
            for model in models(read) if read else ():
                assert model.model_config["extra"] == "forbid", f"{method} {path}: {model.__name__}"


@pytest.mark.parametrize("status", ["401", "500", "503"])
def test_errors_have_one_shape(status: str) -> None:
    for name, shown in described():
        if "security" in shown and status == "401":
            continue
        answer = shown["responses"][status]["content"]
        if name == "GET /readyz":
            continue
        assert answer == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, name
