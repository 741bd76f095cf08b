"""Whether an answer has every field that the OpenAPI document says it has, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from falcon.testing import Result

from admin_client import AdminClient


def assert_as_documented(admin: AdminClient, operation: str, result: Result) -> None:
    """Assert that the answer of an operation such as `GET /v1/ledger` has the documented fields, at every depth."""
    method, _, path = operation.partition(" ")
    document = admin.request("GET", "/v1/openapi.json").json
    answers = document["paths"][path][method.lower()]["responses"]
    assert str(result.status_code) in answers, result.text
    schema = answers[str(result.status_code)]["content"]["application/json"]["schema"]
    _assert_fields(document["components"]["schemas"], schema, result.json, operation)


def _assert_fields(schemas: Mapping[str, Any], schema: Mapping[str, Any], value: Any, where: str) -> None:
    if "$ref" in schema:
        _assert_fields(schemas, schemas[schema["$ref"].rpartition("/")[2]], value, where)
    elif "discriminator" in schema:
        told_by = schema["discriminator"]
        _assert_fields(schemas, {"$ref": told_by["mapping"][value[told_by["propertyName"]]]}, value, where)
    elif "anyOf" in schema:
        kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
        if value is not None and len(kinds) == 1:
            _assert_fields(schemas, kinds[0], value, where)
    elif "properties" in schema:
        assert set(value) == set(schema["properties"]), f"{where}: served or documented alone"
        for name, field in schema["properties"].items():
            _assert_fields(schemas, field, value[name], f"{where} {name}")
    elif "items" in schema:
        for index, item in enumerate(value):
            _assert_fields(schemas, schema["items"], item, f"{where}[{index}]")
    elif isinstance(schema.get("additionalProperties"), dict):
        for name, item in value.items():
            _assert_fields(schemas, schema["additionalProperties"], item, f"{where} {name}")
