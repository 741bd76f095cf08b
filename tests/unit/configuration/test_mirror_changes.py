"""The ring of changes beside the mirror: a reader forgets what changed, and everything whenever it cannot know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.configuration import slug_checksum
from config.configuration.mirror_changes import RING, MirrorChanges

ROOT = Path(__file__).resolve().parents[3]


def test_a_reader_is_told_the_slugs_that_changed_and_no_others(tmp_path: Path) -> None:
    writer, reader = MirrorChanges(tmp_path), MirrorChanges(tmp_path)
    seen = reader.words[0]
    writer.record(["l:7:x", "l:0:y"])
    assert reader.between(seen, reader.words[0]) in (
        [slug_checksum("x"), slug_checksum("y")],
        [slug_checksum("y"), slug_checksum("x")],
    )
    seen = reader.words[0]
    writer.record(["l:7:z"])
    assert reader.between(seen, reader.words[0]) == [slug_checksum("z")]


def test_a_slug_with_a_colon_is_marked_whole(tmp_path: Path) -> None:
    changes = MirrorChanges(tmp_path)
    changes.record(["l:7:a:b"])
    assert changes.between(0, changes.words[0]) == [slug_checksum("a:b")]


@pytest.mark.parametrize("keys", [["p:a.example"], ["l:7:x", "p:a.example"], [f"l:7:{n}" for n in range(257)]])
def test_a_profile_or_many_links_are_everything(tmp_path: Path, keys: list[str]) -> None:
    changes = MirrorChanges(tmp_path)
    changes.record(["l:7:x"])
    seen = changes.words[0]
    changes.record(keys)
    assert changes.words[0] > seen
    assert changes.between(seen, changes.words[0]) is None


def test_a_token_concerns_no_redirect(tmp_path: Path) -> None:
    changes = MirrorChanges(tmp_path)
    changes.record(["t:0123", "a:7", "e"])
    assert changes.words[0] == 0


def test_a_file_of_an_earlier_release_is_made_longer_and_means_everything(tmp_path: Path) -> None:
    (tmp_path / "changes").write_bytes((41).to_bytes(8, "little"))
    changes = MirrorChanges(tmp_path)
    assert changes.words[0] == 41
    assert changes.between(40, 41) is None
    changes.record(["l:7:x"])
    assert changes.between(41, 42) == [slug_checksum("x")]


def test_a_mark_that_has_not_arrived_yet_means_everything(tmp_path: Path) -> None:
    changes = MirrorChanges(tmp_path)
    changes.words[0] = 5
    assert changes.between(4, 5) is None


@given(sets=st.lists(st.lists(st.integers(0, 30), max_size=40), max_size=60), read_every=st.integers(1, 60))
def test_whatever_is_noted_a_reader_never_keeps_what_changed(
    tmp_path_factory: pytest.TempPathFactory, sets: list[list[int]], read_every: int
) -> None:
    changes = MirrorChanges(tmp_path_factory.mktemp("ring"))
    # Just before the counter's marks begin again.
    changes.words[0] = seen = (1 << 32) - 20
    changed: set[int] = set()
    for number, numbers in enumerate(sets, 1):
        changes.record([f"l:7:{n}" for n in numbers])
        changed |= {slug_checksum(str(n)) for n in numbers}
        if number % read_every == 0:
            told = changes.between(seen, changes.words[0])
            assert told is None or set(told) == changed
            assert told is not None or changes.words[0] - seen > RING
            seen, changed = changes.words[0], set()


def test_another_process_sees_the_change_in_its_own_mapping(tmp_path: Path) -> None:
    reader = MirrorChanges(tmp_path)
    code = "import sys; from pathlib import Path; from config.configuration.mirror_changes import MirrorChanges\n"
    code += "MirrorChanges(Path(sys.argv[1])).record(['l:7:x'])\n"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT)
    assert reader.between(0, reader.words[0]) == [slug_checksum("x")]


def test_the_whole_ring_has_its_blocks_from_the_start_so_that_a_full_disk_cannot_end_the_agent(tmp_path: Path) -> None:
    MirrorChanges(tmp_path)
    assert (tmp_path / "changes").stat().st_blocks * 512 >= (1 + RING) * 8
