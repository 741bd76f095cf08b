"""The mirror: change sets are applied whole, a replacement leaves nothing old behind, readers see one state."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.configuration import (
    MirrorReader,
    MirrorWriter,
    PublishedLink,
    PublishedProfile,
    create_mirror,
    encode_published,
    key_order,
    link_key,
    mirror_meta,
    profile_key,
)
from config.configuration.published import PUBLISHED_FORMAT

MAX_BYTES = 1 << 22
ROOT = Path(__file__).resolve().parents[3]
PROFILE = encode_published(PublishedProfile(7, "a", True, "302", None, [], 300))
OTHER_PROFILE = encode_published(PublishedProfile(77, "b", True, "301", None, [], 300))
LINK = encode_published(PublishedLink(1, True, ["https://a.example/"], None, [None] * 10))
LOOSE_LINK = encode_published(PublishedLink(2, True, ["https://b.example/"], None, [None] * 10))


@contextmanager
def writing(home: Path) -> Iterator[MirrorWriter]:
    """Open the mirror as the agent does. LMDB opens a file once in a process, so tests read it after this is closed."""
    writer = MirrorWriter(home / "mirror", MAX_BYTES)
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def reading(home: Path) -> Iterator[MirrorReader]:
    reader = MirrorReader(home / "mirror")
    try:
        yield reader
    finally:
        reader.close()


def fill(writer: MirrorWriter) -> None:
    served = {
        profile_key("a.example"): PROFILE,
        profile_key("b.example"): OTHER_PROFILE,
        link_key(7, "x"): LINK,
        link_key(None, "loose"): LOOSE_LINK,
    }
    writer.replace(mirror_meta("e1", 5, "1-0"), served.items())


def test_an_empty_mirror_has_no_version_and_knows_nothing(tmp_path: Path) -> None:
    create_mirror(tmp_path / "mirror", MAX_BYTES)
    with reading(tmp_path) as reader:
        assert reader.meta() is None
        assert reader.lookup("a.example", "x").version is None
        assert reader.get("p:a.example") == [None]


def test_a_link_is_found_under_its_profile_only(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
    with reading(tmp_path) as reader:
        found = reader.lookup("a.example", "x")
        assert (found.version, found.profile, found.link, found.of_profile) == (5, PROFILE, LINK, True)
        elsewhere = reader.lookup("b.example", "x")
        assert (elsewhere.profile, elsewhere.link, elsewhere.of_profile) == (OTHER_PROFILE, None, False)
        assert reader.lookup("nobody.example", "x").link is None


@pytest.mark.parametrize("host", ["a.example", "nobody.example", ""])
def test_a_link_without_a_profile_is_found_on_every_host(tmp_path: Path, host: str) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
    with reading(tmp_path) as reader:
        found = reader.lookup(host, "loose")
        assert (found.link, found.of_profile) == (LOOSE_LINK, False)


def test_a_change_set_changes_and_removes(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
        writer.apply(
            mirror_meta("e1", 6, "2-0"), {link_key(7, "x"): None, link_key(7, "y"): LINK, link_key(7, "gone"): None}
        )
    with reading(tmp_path) as reader:
        assert reader.lookup("a.example", "x").link is None
        assert reader.lookup("a.example", "y").link == LINK
        meta = reader.meta()
        assert meta is not None
        assert (meta.epoch, meta.version, meta.last_id, meta.entries) == ("e1", 6, "2-0", 4)


def test_a_replacement_leaves_nothing_old_behind(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
        writer.replace(mirror_meta("e2", 9, "9-0"), [(link_key(7, "z"), LINK)])
    with reading(tmp_path) as reader:
        assert reader.get(link_key(7, "x"), profile_key("a.example"), link_key(7, "z")) == [None, None, LINK]
        assert reader.lookup("a.example", "x").version == 9


def test_a_replacement_takes_entries_in_any_order_and_fills_its_pages(tmp_path: Path) -> None:
    entries = [(link_key(7, str(number)), LINK) for number in range(20_000)]
    Random(1).shuffle(entries)
    with writing(tmp_path) as writer:
        # Reading a Redis hash while it grows may give an entry twice.
        writer.replace(mirror_meta("e1", 1, "1-0"), [(profile_key("a.example"), PROFILE), *entries, *entries[:100]])
        meta = writer.meta()
        assert meta is not None
        assert meta.entries == len(entries) + 1
    # Each entry has 8 bytes of LMDB's own and 2 of its place in the page; inserted as they come they would take 1.4.
    payload = sum(len(key) + len(value) + 10 for key, value in entries)
    assert (tmp_path / "mirror" / "data.mdb").stat().st_size < 1.15 * payload
    assert [path.name for path in (tmp_path / "mirror").iterdir() if path.is_dir()] == []
    with reading(tmp_path) as reader:
        assert all(reader.get(key) == [value] for key, value in entries)


def test_what_a_killed_replacement_left_over_is_not_mixed_in(tmp_path: Path) -> None:
    sorting = tmp_path / "mirror" / "sorting"
    sorting.mkdir(parents=True)
    left_over = lmdb.open(str(sorting), map_size=MAX_BYTES)
    with left_over.begin(write=True) as transaction:
        transaction.put(b"l:7:ghost", LINK)
    left_over.close()
    with writing(tmp_path) as writer:
        fill(writer)
    with reading(tmp_path) as reader:
        assert reader.get(link_key(7, "ghost"), link_key(7, "x")) == [None, LINK]


def test_a_replacement_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    def served() -> Iterator[tuple[str, bytes]]:
        yield link_key(7, "z"), LINK
        raise ConnectionError

    with writing(tmp_path) as writer:
        fill(writer)
        with pytest.raises(ConnectionError):
            writer.replace(mirror_meta("e2", 9, "9-0"), served())
        fill(writer)
    with reading(tmp_path) as reader:
        assert reader.lookup("a.example", "x").version == 5
        assert reader.lookup("a.example", "z").link is None


def test_a_change_set_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
        with pytest.raises(lmdb.Error):
            writer.apply(mirror_meta("e1", 6, "2-0"), {link_key(7, "y"): LINK, "l:7:" + "s" * 2000: LINK})
    with reading(tmp_path) as reader:
        assert reader.lookup("a.example", "y").link is None
        assert reader.lookup("a.example", "x").version == 5


def test_what_was_mirrored_is_there_after_a_restart(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
    create_mirror(tmp_path / "mirror", MAX_BYTES)
    with reading(tmp_path) as reader:
        assert reader.lookup("a.example", "x").link == LINK


def test_a_reader_follows_a_mirror_that_grows_beyond_what_it_held_on_opening(tmp_path: Path) -> None:
    # In a process of its own, for LMDB opens a file once in a process.
    many = {f"l:7:{number}": LINK * 12 for number in range(12_000)}
    with writing(tmp_path) as writer:
        fill(writer)
    code = (
        "import sys; from pathlib import Path; from config.configuration.mirror import MirrorReader\n"
        "reader = MirrorReader(Path(sys.argv[1]))\n"
        "for line in sys.stdin: print(reader.lookup('a.example', 'x').version, reader.changes.words[0], flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "mirror")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def ask() -> list[int]:
            reader.stdin.write("?\n")
            reader.stdin.flush()
            return [int(word) for word in reader.stdout.readline().split()]

        version, changes = ask()
        assert version == 5
        for round_number, max_bytes in enumerate((1 << 25, 1 << 28), 6):
            writer = MirrorWriter(tmp_path / "mirror", max_bytes)
            growth = {f"{key}-{round_number}": value for key, value in many.items()}
            writer.apply(mirror_meta("e1", round_number, "2-0"), growth)
            writer.close()
            now = ask()
            assert now[0] == round_number
            assert now[1] > changes
            changes = now[1]
        reader.stdin.close()


def test_nobody_else_may_read_the_mirror_for_it_holds_secrets(tmp_path: Path) -> None:
    create_mirror(tmp_path / "m", 1 << 20)
    for path in (tmp_path / "m").glob("*.mdb"):
        path.chmod(0o644)
    MirrorWriter(tmp_path / "m", 1 << 20).close()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "m").iterdir()}
    assert {"data.mdb", "lock.mdb"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_a_mirror_written_in_an_earlier_format_counts_as_empty(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
    with (
        closing(lmdb.open(str(tmp_path / "mirror"), map_size=MAX_BYTES)) as environment,
        environment.begin(write=True) as old,
    ):
        for key in (b"!meta", b"!version"):
            value = old.pop(key + b":%d" % PUBLISHED_FORMAT)
            assert value is not None
            old.put(key, value)
    with reading(tmp_path) as reader:
        assert reader.meta() is None
        assert reader.lookup("a.example", "x").version is None


def test_a_read_that_another_thread_ended_by_mapping_the_grown_file_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
    with reading(tmp_path) as reader:
        begin = reader._begin

        def ended() -> lmdb.Transaction[bytes]:
            monkeypatch.setattr(reader, "_begin", begin)
            transaction = begin()
            reader._environment.set_mapsize(0)
            return transaction

        monkeypatch.setattr(reader, "_begin", ended)
        assert reader.lookup("a.example", "x").link == LINK
        monkeypatch.setattr(reader, "_begin", ended)
        assert reader.get("p:a.example") == [PROFILE]
        monkeypatch.setattr(reader, "_begin", ended)
        assert reader.meta() is not None


# A reader that is killed: after a read, or, told so, in the middle of one.
KILLED = """
import os, signal, sys
from pathlib import Path
from config.configuration.mirror import MirrorReader
reader = MirrorReader(Path(sys.argv[1]))
reader.get("p:a.example")
if sys.argv[2:]:
    transaction = reader._begin()
    transaction.get(b"p:a.example")
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_a_reader(home: Path, *in_the_middle: str) -> None:
    run = subprocess.run([sys.executable, "-c", KILLED, str(home / "mirror"), *in_the_middle], cwd=ROOT)
    assert run.returncode == -signal.SIGKILL


def test_killed_readers_leave_no_places_taken_for_the_next_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from config.configuration.mirror import MirrorReader\n"
        "print(MirrorReader(Path(sys.argv[1]))._environment.readers())\n"
    )
    # While this process has it open: whoever opens it alone begins a new table.
    with writing(tmp_path) as writer:
        fill(writer)
        kill_a_reader(tmp_path)
        kill_a_reader(tmp_path, "in the middle")
        command = [sys.executable, "-c", code, str(tmp_path / "mirror")]
        assert "(no active readers)" in subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


def test_a_reader_that_was_killed_while_it_read_does_not_make_the_file_grow(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        fill(writer)
        kill_a_reader(tmp_path, "in the middle")
        size = (tmp_path / "mirror" / "data.mdb").stat().st_size
        for version in range(6, 106):
            writer.apply(mirror_meta("e1", version, "2-0"), {link_key(7, "x"): LINK})
        # Pages are used again after two changes; kept for the dead reader, a hundred changes would take 1.6 MB.
        assert (tmp_path / "mirror" / "data.mdb").stat().st_size <= size + 100_000


@given(sizes=st.lists(st.integers(1, 9000), max_size=300), order=st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_a_copy_has_the_blocks_of_every_page_before_it_touches_it(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], order: Random
) -> None:
    """Else a full disk would end the agent by SIGBUS. Reserved four entries at a time, against what LMDB then used."""
    place = tmp_path_factory.mktemp("sorting")
    entries = [(f"l:7:{number}", bytes(size)) for number, size in enumerate(sizes)]
    order.shuffle(entries)
    reserved: list[int] = []
    allocate = os.posix_fallocate

    def noting(descriptor: int, offset: int, size: int) -> None:
        reserved.append(size)
        allocate(descriptor, offset, size)

    with (
        pytest.MonkeyPatch.context() as patch,
        closing(lmdb.open(str(place), map_size=MAX_BYTES, sync=False, writemap=True)) as environment,
    ):
        patch.setattr(os, "posix_fallocate", noting)
        patch.setattr(key_order, "_RESERVED_ENTRIES", 4)
        with environment.begin(write=True) as transaction:
            key_order._fill(place / "data.mdb", transaction, entries)
        assert (environment.info()["last_pgno"] + 1) * 4096 <= (reserved[-1] if reserved else 2 * 4096)


def test_a_copy_that_the_disk_has_no_room_for_fails_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with writing(tmp_path) as writer:
        fill(writer)
        monkeypatch.setattr(os, "posix_fallocate", no_space)
        with pytest.raises(OSError, match="No space left"):
            writer.replace(mirror_meta("e2", 9, "9-0"), [(link_key(7, "z"), LINK)])
    assert not (tmp_path / "mirror" / "sorting").exists()
    with reading(tmp_path) as reader:
        assert reader.lookup("a.example", "x").version == 5


@pytest.mark.parametrize("content", [b"x" * 100, bytes(8192), bytes(range(256)) * 64], ids=["short", "zeros", "noise"])
def test_a_damaged_mirror_is_set_aside_and_filled_again(tmp_path: Path, content: bytes) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "data.mdb").write_bytes(content)
    with writing(tmp_path) as writer:
        assert writer.meta() is None
        fill(writer)
    assert (mirror / "data.mdb.damaged").read_bytes() == content
    with reading(tmp_path) as reader:
        assert reader.lookup("a.example", "x").version == 5


def test_an_edge_starts_beside_a_mirror_whose_maker_was_killed_at_once(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "data.mdb").touch()
    create_mirror(tmp_path / "mirror", MAX_BYTES)
    with reading(tmp_path) as reader:
        assert reader.meta() is None
