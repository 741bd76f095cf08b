"""Small databases of MaxMind's format, written byte by byte: one entry for the lower half of all IPv4 addresses."""

from __future__ import annotations

from pathlib import Path

_EXTENDED_ARRAY, _EXTENDED_UINT64 = 4, 2


def text(value: str) -> bytes:
    raw = value.encode()
    assert len(raw) < 29, "a longer text has a longer head"
    return bytes([2 << 5 | len(raw)]) + raw


def number(value: int) -> bytes:
    return bytes([6 << 5 | 4]) + value.to_bytes(4, "big")


def mapping(**entries: bytes) -> bytes:
    return bytes([7 << 5 | len(entries)]) + b"".join(text(name) + value for name, value in entries.items())


def country(code: str) -> bytes:
    return mapping(country=mapping(iso_code=text(code)))


def write_database(path: Path, data: bytes, kind: str = "Test", built_at: int = 1) -> Path:
    """Write a database of type `kind` that has the entry `data` for 0.0.0.0/1, and nothing for other addresses."""
    node_count, separator = 1, 16
    tree = (node_count + separator).to_bytes(3, "big") + node_count.to_bytes(3, "big")
    short = lambda value: bytes([5 << 5 | 2]) + value.to_bytes(2, "big")  # noqa: E731
    metadata = mapping(
        node_count=number(node_count),
        record_size=short(24),
        ip_version=short(4),
        database_type=text(kind),
        languages=bytes([0, _EXTENDED_ARRAY]),
        binary_format_major_version=short(2),
        binary_format_minor_version=short(0),
        build_epoch=bytes([4, _EXTENDED_UINT64]) + built_at.to_bytes(4, "big"),
        description=mapping(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tree + bytes(separator) + data + b"\xab\xcd\xefMaxMind.com" + metadata)
    return path
