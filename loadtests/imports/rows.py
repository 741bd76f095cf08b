"""The rows of an import: links as JSON, one a line, some of them with several fields that cannot be accepted."""

from __future__ import annotations

import random

import orjson

# One row in this many is bad, and has this many bad fields.
BAD_EVERY = 100
BAD_FIELDS = 3


def make_rows(count: int, seed: int) -> list[bytes]:
    """Return `count` rows, the same for the same seed."""
    drawn = random.Random(seed)
    return [_row(number, drawn) for number in range(count)]


def _row(number: int, drawn: random.Random) -> bytes:
    row = {
        "name": f"Campaign {number}",
        "profile_id": drawn.randint(1, 20),
        "merchant_id": drawn.randint(1, 500),
        "source_id": drawn.randint(1, 100),
        "destination_url": f"https://shop{drawn.randint(1, 500)}.example/landing/{number}?cid={{click_id}}&s={{sub1}}",
        "slug": f"c{number:07x}",
        "active": drawn.random() < 0.9,
        "sub1": drawn.choice(["news", "mail", "push", "native"]),
        "sub2": str(drawn.randint(1, 10**6)),
    }
    if number % BAD_EVERY == 0:
        row |= {"slug": "no slug", "destination_url": "ftp://shop.example/", "merchant_id": 0}
    return orjson.dumps(row)
