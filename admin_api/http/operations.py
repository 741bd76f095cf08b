"""One declaration for each operation of the API: what it takes, what it answers with, and its own errors.

`@operation` and the responder's own signature make the declaration. The parameters `body` and `query` are decoded into
the classes of their annotations, `allowed` holds what If-Match allows, and every other parameter is a part of the path.
The responder returns the answer. The OpenAPI document is made from the same declarations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MethodType
from typing import Any, NamedTuple, get_type_hints
from uuid import UUID

import falcon
from pydantic import BaseModel

from admin_api.http.errors import NotFoundError
from admin_api.http.idempotency import decode_repeatable
from admin_api.http.models import Shown
from admin_api.http.requests import decode_id, decode_revisions
from admin_api.http.validation import decode_body, decode_query

_SHOWN_CHARACTERS = 40
METHODS = ("get", "post", "put", "patch", "delete")
_OWN = ("self", "req", "resp")
Responder = Callable[..., None]


class Route(NamedTuple):
    """A path of the API and the resource that answers at it."""

    path: str
    resource: object


class PathParameter(NamedTuple):
    """A part of the path: its name in the path, the responder's name for it, and its type (int, UUID or str)."""

    name: str
    parameter: str
    kind: type

    def decode(self, text: str) -> Any:
        """Return the value, or raise NotFoundError, since text that cannot be an id names no object."""
        singular = self.name.removesuffix("_id").replace("_", " ")
        if self.kind is int:
            return decode_id(text, singular)
        if self.kind is UUID:
            try:
                return UUID(text)
            except ValueError:
                raise NotFoundError(f"there is no {singular} {text[:_SHOWN_CHARACTERS]}") from None
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a client may know about an operation. The first of `statuses` is the default; a responder may set another.

    `form` is the class of an upload's part `settings`. `conflicts` are the codes of its 409, `not_found` those of its
    404 other than for a path that names nothing, and `refused` those of its 400 other than for fields.
    """

    summary: str
    description: str = ""
    statuses: tuple[HTTPStatus, ...] = (HTTPStatus.OK,)
    path: tuple[PathParameter, ...] = ()
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    form: type[BaseModel] | None = None
    returns: type[Shown] | None = None
    produces: str = falcon.MEDIA_JSON
    # Whether it takes If-Match, and whether its answer has an ETag.
    conditional: bool = False
    versioned: bool = False
    # Whether it moves money, so that a client must be able to repeat it without doing it twice.
    moves_money: bool = False
    # Whether it needs no API token.
    open: bool = False
    # Whether it checks a password or a code, so that guesses at it are slowed down.
    guessable: bool = False
    conflicts: tuple[str, ...] = ()
    not_found: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def repeatable(self) -> bool:
        """Whether it takes an Idempotency-Key."""
        made = self.moves_money or HTTPStatus.CREATED in self.statuses
        return made and self.form is None and not self.open


def operation(
    summary: str,
    *,
    statuses: tuple[HTTPStatus, ...] = (HTTPStatus.OK,),
    types: Mapping[str, Any] | None = None,
    path_names: Mapping[str, str] | None = None,
    **stated: Any,
) -> Callable[[Callable[..., Any]], Responder]:
    """Return a decorator that turns a function into a Falcon responder. `stated` are fields of Operation.

    `types` and `path_names` replace annotations and names where one function serves several resources.
    """

    def decorate(handler: Callable[..., Any]) -> Responder:
        declared = declare(handler, summary, statuses, types or {}, path_names or {}, stated)

        def responder(self: Any, req: falcon.Request, resp: falcon.Response, **parts: str) -> None:
            given: dict[str, Any] = {each.parameter: each.decode(parts[each.name]) for each in declared.path}
            if declared.conditional:
                given["allowed"] = decode_revisions(req)
            if declared.query is not None:
                given["query"] = decode_query(req, declared.query)
            if declared.body is not None:
                given["body"] = decode_body(req, declared.body, required=declared.body_required)

            def act() -> None:
                resp.status = declared.statuses[0]
                answer = handler(self, req, resp, **given)
                if answer is not None:
                    resp.content_type = falcon.MEDIA_JSON
                    resp.data = answer.model_dump_json().encode()

            asked = decode_repeatable(req, given.get("body")) if declared.repeatable else None
            if asked is None:
                act()
            else:
                req.context.kept_answers.answer_once(req, resp, asked, act)

        responder.__doc__ = handler.__doc__
        responder.__name__ = handler.__name__
        responder.operation = declared  # type: ignore[attr-defined]
        return responder

    return decorate


def declare(
    handler: Callable[..., Any],
    summary: str,
    statuses: tuple[HTTPStatus, ...],
    types: Mapping[str, Any],
    path_names: Mapping[str, str],
    stated: Mapping[str, Any],
) -> Operation:
    """Return the declaration of a responder, made from what is stated and from its signature."""
    hints = {name: hint for name, hint in get_type_hints(handler).items() if name not in types} | dict(types)
    names = [name for name in inspect.signature(handler).parameters if name not in _OWN]
    path = tuple(
        PathParameter(path_names.get(name, name), name, hints[name])
        for name in names
        if name not in ("body", "query", "allowed")
    )
    returned = hints.get("return")
    return Operation(
        summary=summary,
        description=inspect.getdoc(handler) or "",
        statuses=statuses,
        path=path,
        query=hints.get("query"),
        body=hints.get("body"),
        returns=returned if isinstance(returned, type) and issubclass(returned, Shown) else None,
        conditional="allowed" in names,
        **stated,
    )


def add_operation(resource: object, method: str, handler: Callable[..., Any], summary: str, **stated: Any) -> None:
    """Give a resource an operation with types of its own."""
    setattr(resource, f"on_{method}", MethodType(operation(summary, **stated)(handler), resource))


def operation_of(resource: object, method: str) -> Operation | None:
    """Return the declaration of a resource's responder, or None if the resource has no such responder.

    Raises AttributeError for a responder that is not declared.
    """
    responder = getattr(resource, f"on_{method}", None)
    if responder is None:
        return None
    declared: Operation = responder.operation
    return declared


def open_paths(routes: Iterable[Route]) -> list[str]:
    """Return what needs no token: paths with open operations alone, and `POST /v1/session` where others are beside."""
    opened: list[str] = []
    for path, resource in routes:
        declared = {method: found for method in METHODS if (found := operation_of(resource, method)) is not None}
        if all(each.open for each in declared.values()):
            opened.append(path)
        else:
            opened += [f"{method.upper()} {path}" for method, each in declared.items() if each.open]
    return opened
