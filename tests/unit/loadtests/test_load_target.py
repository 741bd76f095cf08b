"""What a Locust run is aimed at: lists of links, and how often each is drawn. Locust itself is not imported here."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from loadtests.scenarios.target import Link, Target, TargetError, read_urls


def target(count: int) -> Target:
    weights, total = [], 0.0
    for rank in range(1, count + 1):
        total += 1 / rank
        weights.append(total)
    return Target(tuple(Link("a.example", f"/click/{rank}") for rank in range(1, count + 1)), None, tuple(weights))


def test_popularity_follows_zipf() -> None:
    drawn = Counter(target(20).link().path for _ in range(20_000))
    assert len(drawn) == 20
    assert 1.6 < drawn["/click/1"] / drawn["/click/2"] < 2.4
    assert drawn["/click/1"] > 5 * drawn["/click/20"]


def test_one_link_is_drawn_always() -> None:
    assert {target(1).link().path for _ in range(100)} == {"/click/1"}


def test_a_list_gives_host_and_path() -> None:
    text = "# links\nhttps://track.example/click/a?x=1\n\nhttp://t.localhost:8080/route/b # mine\n"
    assert read_urls(text) == [Link("track.example", "/click/a"), Link("t.localhost:8080", "/route/b")]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "/click/a", "ftp://a.example/x", "https://a.example", "https:///x"]
)
def test_a_list_without_usable_urls_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        read_urls(text)


def test_nothing_but_the_locustfile_brings_locust_in() -> None:
    code = "import sys, loadtests.scenarios.target; sys.exit(bool({'gevent', 'locust'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
