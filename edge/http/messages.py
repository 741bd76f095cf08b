"""Falcon's request and response as the edge uses them: the same objects, made with less work for each click."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import falcon

# What a click reads. The other slots of a Falcon request stay empty until something asks for one.
_EAGER = frozenset({"env", "options", "method", "path", "is_websocket", "uri_template", "__dict__"})


class EdgeRequest(falcon.Request):
    """A Falcon request that reads its query, form and media only when something asks for them.

    PERF: Falcon sets 25 attributes and parses the query string of every request; a click needs six of them. An answer
    of no work takes half the instructions so (`python -m tests.own_cost` shows both).
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
        """Let Falcon's own constructor run, once."""
        uri_template = self.uri_template
        super().__init__(self.env, self.options)
        self.uri_template = uri_template


class _LazyAttribute:
    """An attribute of EdgeRequest that is not there yet; the value that Falcon then sets hides this object.

    PERF: a `__getattr__` would do the same, but Python 3.11 looks up every attribute the slow way where there is one.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, request: EdgeRequest | None, owner: type[EdgeRequest]) -> Any:
        """Fill in the request, and return the attribute."""
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

    PERF: nothing of ours uses `context`, which Falcon makes for every response, so it is made for whoever asks.
    """

    __slots__ = ()

    def __init__(self, options: falcon.ResponseOptions | None = None) -> None:
        self.status = falcon.HTTP_200
        self.options = options if options is not None else falcon.ResponseOptions()
        self.text = self.stream = self._data = self._media = self._extra_headers = self._cookies = None
        self._headers = {}

    @cached_property
    def context(self) -> Any:  # type: ignore[override]
        """Whatever Falcon's middleware would keep with a response; we have none."""
        return self.context_type()

    def redirect(self, status: str, headers: dict[str, str]) -> None:
        """Answer without a body. Names are in lower case and values ASCII, so nothing is left for Falcon to check."""
        self.status = status
        self._headers = headers
