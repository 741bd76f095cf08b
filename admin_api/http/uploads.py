"""Reads a form with settings and a file, as `curl -F` and browsers send it. Files of any size go to disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import BinaryIO, NamedTuple

import falcon
from falcon.media import MultipartFormHandler
from falcon.media.multipart import BodyPart, MultipartParseOptions

from admin_api.http.errors import BodyError
from tracking.runtime import FieldError

FILE_BYTES_MAX = 128 * 1024 * 1024
SETTINGS_BYTES_MAX = 64 * 1024
_FORM_BYTES_MAX = FILE_BYTES_MAX + SETTINGS_BYTES_MAX + 16 * 1024
_NAME_CHARACTERS_MAX = 200
_CHUNK_BYTES = 64 * 1024
_FIX = "send multipart/form-data with the parts `settings` (JSON) and `file`"


class Upload(NamedTuple):
    """What was sent: the settings as undecoded JSON, and the file on disk, ready to be read from its beginning."""

    settings: bytes
    file: BinaryIO
    file_name: str | None
    file_bytes: int
    file_sha256: str


@contextmanager
def received(req: falcon.Request) -> Iterator[Upload]:
    """Receive a form and keep its file until the end of the block.

    Raises BodyError, FieldError for an empty file, or Falcon's errors if the request is too large or is not a form.
    """
    if (req.content_type or "").partition(";")[0].strip().lower() != falcon.MEDIA_MULTIPART:
        raise falcon.HTTPUnsupportedMediaType(description=_FIX)
    if req.content_length is None:
        raise falcon.HTTPLengthRequired(description="send a Content-Length; Transfer-Encoding cannot stand for it here")
    if req.content_length > _FORM_BYTES_MAX:
        raise _too_large()
    options = MultipartParseOptions()
    options.max_body_part_count = 2
    options.max_body_part_buffer_size = SETTINGS_BYTES_MAX
    handler = MultipartFormHandler(options)
    # The file has no name, so it is gone when the process ends.
    with tempfile.TemporaryFile() as file:
        settings: bytes | None = None
        written: tuple[str | None, int, str] | None = None
        try:
            for part in handler.deserialize(req.bounded_stream, req.content_type, req.content_length):
                if part.name == "settings":
                    settings = part.get_data()
                elif part.name == "file":
                    written = _write(part, file)
                else:
                    raise BodyError(f"the form has a part that is neither `settings` nor `file`; {_FIX}")
        except UnicodeDecodeError as error:
            raise BodyError("a part's name or file name is not UTF-8") from error
        if settings is None or written is None:
            raise BodyError(f"the form lacks a part; {_FIX}")
        if not file.tell():
            # An empty file is more often a failed export than a period in which nothing happened.
            raise FieldError("file", "the file is empty; send the one that you meant")
        file.seek(0)
        yield Upload(settings, file, *written)


def _write(part: BodyPart, file: BinaryIO) -> tuple[str | None, int, str]:
    """Write a part to disk, and return its name, its size in bytes and its SHA-256."""
    digest = sha256()
    size = 0
    while chunk := part.stream.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > FILE_BYTES_MAX:
            raise _too_large()
        digest.update(chunk)
        file.write(chunk)
    # The name is only kept to be shown; nothing is ever opened by it.
    name = "".join(character for character in part.filename or "" if character.isprintable())
    return name[:_NAME_CHARACTERS_MAX] or None, size, digest.hexdigest()


def _too_large() -> falcon.HTTPContentTooLarge:
    return falcon.HTTPContentTooLarge(
        description=f"the file is larger than {FILE_BYTES_MAX // 1024 // 1024} MiB; split it by period"
    )
