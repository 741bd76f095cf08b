"""Falcon's request and response as the edge uses them: the same objects, made with less work for a click."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import falcon

# The attributes that a click reads. All others of a Falcon request are set when something asks for one of them.
_EAGER = frozenset({"env", "options", "method", "path", "is_websocket", "uri_template", "__dict__"})


class EdgeRequest(falcon.Request):
    """A Falcon request that reads its query, form and media only when something asks for them.

    PERF: Falcon sets 25 attributes and parses the query string of every request, and a click needs six of them. This
    halves the instructions of a request that does nothing (`python -m tests.own_cost` shows both).
    """

    __slots__ = ()

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None) -> None:
        path: str = env["PATH_INFO"] or "/"
        if options is None or options.strip_url_path_trailing_slash or not path.isascii():
            super().__init__(env, options)
            return
        self.env = env
        self.options = options
        self.method = env["REQUEST_METHOD"]
        self.path = path
        self.is_websocket = False
        self.uri_template = None

    def initialize_all(self) -> None:
        """Set all attributes by Falcon's own constructor."""
        uri_template = self.uri_template
        super().__init__(self.env, self.options)
        self.uri_template = uri_template


class _LazyAttribute:
    """An attribute of EdgeRequest that is set when it is first read. The value then hides this descriptor.

    PERF: `__getattr__` would do the same, but in a class that has one Python 3.11 looks up every attribute the slow
    way.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, request: EdgeRequest | None, owner: type[EdgeRequest]) -> Any:
        """Set all attributes of the request and return this one."""
        if request is None:
            return self
        request.initialize_all()
        try:
            return request.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None


for _name in frozenset(falcon.Request.__slots__) - _EAGER:
    setattr(EdgeRequest, _name, _LazyAttribute(_name))


class EdgeResponse(falcon.Response):
    """A Falcon response that takes all headers of a redirect at once.

    PERF: Falcon makes a `context` for every response. We use none, so it is made only when something asks for it.
    """

    __slots__ = ()

    def __init__(self, options: falcon.ResponseOptions | None = None) -> None:
        self.status = falcon.HTTP_200
        self.options = options if options is not None else falcon.ResponseOptions()
        self.text = self.stream = self._data = self._media = self._extra_headers = self._cookies = None
        self._headers = {}

    @cached_property
    def context(self) -> Any:  # type: ignore[override]
        """The object in which Falcon's middleware may keep data; we have no middleware."""
        return self.context_type()

    def redirect(self, status: str, headers: dict[str, str]) -> None:
        """Answer without a body. Header names must be in lower case and values ASCII, since Falcon checks neither."""
        self.status = status
        self._headers = headers
