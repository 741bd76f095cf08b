"""Reads a combined-format access log (plain or gzip) as visits. A line that is not one is counted and never fatal."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from loadtests.demo.stack import DemoError
from loadtests.demo.visits import Visit

REPLAYED_METHODS = ("GET", "HEAD")
_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    rb"(\S+) \S+ .{0,200}?\[[^\]]{1,64}\] " + _QUOTED + rb" \d{3} (?:\d+|-) " + _QUOTED + rb" " + _QUOTED
)
_REQUEST = re.compile(rb"([A-Z]{1,20}) (\S+)(?: HTTP/\d(?:\.\d)?)?")
_ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|([\\"tnr]))')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_GZIP_MAGIC = b"\x1f\x8b"
# The edge answers requests with longer headers by closing the connection; logs of attacks hold such lines.
_HEADER_CHARACTERS_MAX = 2000
_PATH_CHARACTERS_MAX = 1500


class AccessLog:
    """One log file. `malformed` and `other_methods` count what `visits` has met so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.malformed = 0
        self.other_methods: Counter[str] = Counter()

    def count_lines(self, most: int | None = None) -> int:
        """Return the number of lines, at most `most`, or raise DemoError when the file cannot be read."""
        count = 0
        for _ in self._lines():
            count += 1
            if count == most:
                break
        return count

    def visits(self, most: int | None = None) -> Iterator[Visit]:
        """Yield the visit of each good line among the first `most`. Other methods than GET and HEAD become GET."""
        for number, line in enumerate(self._lines()):
            if number == most:
                return
            visit = parse_line(line)
            if visit is None:
                self.malformed += 1
                continue
            if visit.method not in REPLAYED_METHODS:
                self.other_methods[visit.method] += 1
                visit = visit._replace(method="GET")
            yield visit

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as raw:
                compressed = raw.read(2) == _GZIP_MAGIC
                raw.seek(0)
                stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if compressed else raw
                for line in stream:
                    if line.strip():
                        yield line
        except (OSError, EOFError) as error:
            raise DemoError(f"cannot read the access log {self._path}: {error}") from error


def parse_line(line: bytes) -> Visit | None:
    """Return the visit of a line, its logged target carried as sub1 (path) and x (query), or None. Never raises."""
    found = _LINE.match(line)
    if not found:
        return None
    address, request_line, referrer, user_agent = found.groups()
    request = _REQUEST.fullmatch(_unescape(request_line))
    if not request:
        return None
    method, target = request.groups()
    path, _, query = target.partition(b"?")
    carried = f"sub1={quote(path[:_PATH_CHARACTERS_MAX], safe='')}"
    if query:
        carried += f"&x={quote(query[:_PATH_CHARACTERS_MAX], safe='')}"
    return Visit(
        method.decode(),
        carried,
        _header(user_agent),
        _header(referrer),
        _header(address),
    )


def _header(value: bytes) -> str:
    text = _CONTROL.sub("", _unescape(value).decode("latin-1"))[:_HEADER_CHARACTERS_MAX].strip()
    return "" if text == "-" else text


def _unescape(value: bytes) -> bytes:
    if b"\\" not in value:
        return value
    plain = {b"\\": b"\\", b'"': b'"', b"t": b"\t", b"n": b"\n", b"r": b"\r"}
    return _ESCAPE.sub(
        lambda escape: bytes.fromhex(escape[1].decode()) if escape[1] else plain[escape[2]],
        value,
    )
