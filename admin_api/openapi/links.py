"""The links of the document: what a client can do with what it has just created, such as reading it and changing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

_PARAMETER = re.compile(r"\{(\w+)\}")


def add_links(paths: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Add to each answer of 201 links to all operations on the new object.

    `paths` is that part of the document. A new object's number has the same name in its JSON and in its path.
    """
    for path, methods in paths.items():
        created = methods.get("post", {}).get("responses", {}).get(str(HTTPStatus.CREATED.value))
        items = {item: found for item, found in paths.items() if _is_below(item, path)}
        if created is None or not items:
            continue
        links = created.setdefault("links", {})
        for item, operations in items.items():
            name = _PARAMETER.findall(item)[0]
            for operation in operations.values():
                links[operation["operationId"]] = _link(operation, name)


def _is_below(item: str, path: str) -> bool:
    """Say whether a path is that of an object of a collection, or of what can be done with it."""
    return item.startswith(f"{path}/{{") and len(_PARAMETER.findall(item)) == 1


def _link(operation: Mapping[str, Any], name: str) -> dict[str, Any]:
    parameters = {f"path.{name}": f"$response.body#/{name}"}
    if any(parameter["name"] == "If-Match" for parameter in operation["parameters"]):
        parameters["header.If-Match"] = "$response.header.ETag"
    return {"operationId": operation["operationId"], "parameters": parameters}
