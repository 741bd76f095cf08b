"""Reads a JSON file of any size in little memory: a list of objects, or one object on each line."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from admin_api.http import encoding_of
from tracking.runtime import FieldError

OBJECT_CHARACTERS_MAX = 1024 * 1024
CHUNK_CHARACTERS = 256 * 1024
_BETWEEN = re.compile(r"[\s,]*")


def json_objects(file: BinaryIO, chunk_characters: int = CHUNK_CHARACTERS) -> Iterator[Any]:
    """Yield the values of a file's list, or its values one after the other. Raises FieldError."""
    text = io.TextIOWrapper(file, encoding=encoding_of(file, "utf-8"))
    try:
        yield from _Values(text, chunk_characters)
    except UnicodeDecodeError as error:
        raise FieldError("file", f"the file is not {error.encoding}; save it as UTF-8") from None
    finally:
        # Whoever opened the file closes it, perhaps before this is collected.
        if not file.closed:
            text.detach()


class _Values:
    """The values of a text, of which no more than one value and a chunk are in memory."""

    def __init__(self, text: io.TextIOWrapper, chunk_characters: int) -> None:
        self._text = text
        self._chunk_characters = chunk_characters
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)
        self._buffer = ""
        self._ended = False

    def __iter__(self) -> Iterator[Any]:
        self._fill()
        self._buffer = self._buffer.lstrip()
        is_list = self._buffer.startswith("[")
        if is_list:
            self._buffer = self._buffer[1:]
        number = 0
        position = 0
        while True:
            position = self._between(position)
            if position == len(self._buffer):
                if is_list:
                    raise FieldError("file", "the list in the file has no end; was the file cut off?")
                return
            if is_list and self._buffer[position] == "]":
                return
            number += 1
            value, position = self._value(position, number)
            yield value

    def _between(self, position: int) -> int:
        """Return where the next value or the end is."""
        while True:
            found = _BETWEEN.match(self._buffer, position)
            assert found is not None
            position = found.end()
            if position < len(self._buffer) or self._ended:
                return position
            self._buffer, position = self._buffer[position:], 0
            self._fill()

    def _value(self, position: int, number: int) -> tuple[Any, int]:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, position)
            except (json.JSONDecodeError, RecursionError) as error:
                failed: Exception = error
            else:
                # A number at the end of what was read may go on.
                if end < len(self._buffer) or self._ended:
                    return value, end
                failed = ValueError("it has no end")
            if self._ended or len(self._buffer) - position > OBJECT_CHARACTERS_MAX:
                reason = getattr(failed, "msg", None) or "it is nested too deeply or has no end"
                raise FieldError(
                    "file",
                    f"object {number} cannot be read as JSON ({reason}); an object may have"
                    f" {OBJECT_CHARACTERS_MAX} characters",
                )
            self._buffer, position = self._buffer[position:], 0
            self._fill()

    def _fill(self) -> None:
        chunk = self._text.read(self._chunk_characters)
        self._ended = not chunk
        self._buffer += chunk


def _refuse_constant(word: str) -> Any:
    raise json.JSONDecodeError(f"{word} is no number in JSON", word, 0)
