"""The spool under everything a machine can do to it: a state machine of writer, disk, power and agent, against a model.

500 steps in every run; `WAYPOST_SPOOL_STEPS=10000 bin/test tests/unit/spool/test_spool_machine.py` for the long one.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from edge.spool import SpoolWriter, read_counters, segments
from edge.spool.backlog import Backlog, SpoolReport
from edge.spool.segments import HEADER_BYTES, SegmentError
from edge.spool.slots import spool_for_boot
from edge.spool.spool_counts import COUNTERS_NAME, DECLARED_LOST, ISSUED, NUMBERS, SEGMENT
from tracking.spool import Progress

STEPS = int(os.environ.get("WAYPOST_SPOOL_STEPS", "500"))
STEPS_A_RUN = 50
SEGMENT_BYTES = 300
SLOT = (1, 0)


@dataclass
class Place:
    """Where a record lies: its segment, and the bytes of its frame."""

    path: Path
    start: int
    end: int


@dataclass
class Model:
    """What is true of one spool. `excused` are numbers that damage or a power cut may have taken."""

    records: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)
    excused: set[int] = field(default_factory=set)
    delivered: dict[int, bytes] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    confirmed: Progress = field(default_factory=Progress)
    # Segments by sequence number: those with any damage, and those with a damaged header.
    damaged: set[int] = field(default_factory=set)
    beheaded: set[int] = field(default_factory=set)
    report: SpoolReport | None = None


class Spools(RuleBasedStateMachine):
    """One slot of one host: its writer, its agent's reader of every spool, and the disk below them."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="waypost-spool-machine-"))
        self.boot = 0
        self.count = 0
        self.headless: set[Path] = set()
        self.models: dict[Path, Model] = {}
        self.backlogs: dict[Path, Backlog] = {}
        self.durable: dict[Path, int] = {}
        self.old_counters: list[bytes] = []

    @initialize()
    def begin(self) -> None:
        self._open()

    # The writer

    @rule(size=st.integers(2, 120))
    def append(self, size: int) -> None:
        self._append(size, answered=True)

    @rule()
    def sync(self) -> None:
        self.writer.sync()
        self._note_durable()

    @rule(full=st.booleans())
    def the_disk_is_found_full_or_free(self, full: bool) -> None:
        self.writer.full = full
        self.writer.reopen_after_failure()

    @rule(size=st.integers(2, 120), after=st.integers(0, 2), piece=st.integers(0, 20))
    def append_to_a_disk_that_fills_up(self, size: int, after: int, piece: int) -> None:
        real, calls = os.write, 0

        def write(descriptor: int, data: bytes) -> int:
            nonlocal calls
            calls += 1
            if calls <= after:
                return real(descriptor, data)
            if piece and calls == after + 1:
                return real(descriptor, data[: min(piece, len(data) - 1)])
            raise OSError(errno.ENOSPC, "No space left on device")

        with patch.object(os, "write", write):
            self._append(size, answered=False)

    @rule()
    def kill_and_start_again(self) -> None:
        self._drop()
        self._open()

    @rule(size=st.integers(2, 120), share=st.floats(0, 1))
    def kill_in_the_middle_of_a_write(self, size: int, share: float) -> None:
        """A part of a frame is on disk, or all of it, and the counters do not know."""
        path = segments.segment_path(self.directory, self._words()[SEGMENT])
        if not path.exists():
            return
        place_start = path.stat().st_size
        frame = segments.encode_frame(self._payload(size))
        written = round(share * len(frame))
        whole = written == len(frame) and place_start >= HEADER_BYTES and self.writer._descriptor >= 0
        if self.writer._descriptor >= 0:
            with path.open("ab") as file:
                file.write(frame[:written])
            if whole and path not in self.headless:
                number = self._words()[NUMBERS]
                self._note(number, frame[segments.FRAME_BYTES :], Place(path, place_start, place_start + len(frame)))
                # Nobody was answered: it may come or not.
                self.model.excused.add(number)
        self._drop()
        self._open()

    # The disk

    @rule(data=st.data())
    def flip_a_bit(self, data: st.DataObject) -> None:
        files = [path for spool in self.models for path in segments.segment_paths(spool) if path.stat().st_size]
        if not files:
            return
        path = data.draw(st.sampled_from(files), label="segment")
        newest = path == segments.segment_paths(path.parent)[-1]
        # Nothing follows the last segment of an ended spool, to tell how many numbers a damaged header takes along.
        low = HEADER_BYTES if newest and path.parent != self.directory else 0
        if low >= path.stat().st_size:
            return
        offset = data.draw(st.integers(low, path.stat().st_size - 1), label="offset")
        model = self.models[path.parent]
        sequence = int(path.stem)
        # How many numbers a segment held is told by the header after it. With that gone too, the salvaged records of a
        # damaged one cannot be numbered; two such damages side by side are beyond this format.
        # The same holds for a second damage in one segment: what lies between the two is stored, under another number.
        if sequence in model.damaged or (offset < HEADER_BYTES and sequence - 1 in model.damaged):
            return
        if offset >= HEADER_BYTES and sequence + 1 in model.beheaded:
            return
        if offset < HEADER_BYTES:
            model.beheaded.add(sequence)
            if newest:
                self.headless.add(path)
        with path.open("r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1 << data.draw(st.integers(0, 7), label="bit")]))
        for number, place in model.places.items():
            if place.path == path and (offset < HEADER_BYTES or place.start <= offset < place.end):
                model.excused.add(number)
        model.damaged.add(sequence)

    @rule(data=st.data(), zeros=st.booleans())
    def power_cut(self, data: st.DataObject, zeros: bool) -> None:
        """What was not synced is gone or zeros, in any segment; the counters are as they stood at any time before."""
        self._drop()
        flipped = self._words()[SEGMENT] in self.model.damaged
        for spool, model in self.models.items():
            for path in segments.segment_paths(spool):
                size, kept = path.stat().st_size, self.durable.get(path, 0)
                if kept >= size or int(path.stem) in model.damaged:
                    continue
                if int(path.stem) - 1 in model.damaged:
                    kept = max(kept, min(size, HEADER_BYTES))
                length = data.draw(st.integers(kept, size), label=f"what is left of {path.name}")
                os.truncate(path, length)
                if zeros:
                    os.truncate(path, size)
                for number, place in model.places.items():
                    if place.path == path and place.end > length:
                        model.excused.add(number)
                model.damaged.add(int(path.stem))
                model.beheaded.add(int(path.stem))
        # With the newest segment damaged as well, neither its bytes nor its counters would know the last number.
        if not flipped and not self.headless and data.draw(st.booleans(), label="counters behind"):
            which = data.draw(st.integers(0, len(self.old_counters) - 1), label="counters")
            (self.directory / COUNTERS_NAME).write_bytes(self.old_counters[which])
        self.boot += 1
        for spool in self.models:
            self.backlogs[spool] = self._new_backlog(spool)
        self._open()

    # The agent

    @rule()
    def ship(self) -> None:
        for spool in list(self.models):
            self._ship(spool)

    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        spool = data.draw(st.sampled_from(list(self.models)), label="spool")
        model = self.models[spool]
        known = sorted(model.delivered.keys() | model.missing)
        if not known:
            return
        first = data.draw(st.sampled_from(known), label="first")
        end = first
        while end in model.delivered or end in model.missing:
            end += 1
        model.confirmed = model.confirmed.add(first, data.draw(st.integers(first + 1, end), label="end"))
        before = {path.name: path.read_bytes() for path in segments.segment_paths(spool)}
        self.backlogs[spool].confirm(model.confirmed)
        self._check_freed(spool, before)

    @rule()
    def the_agent_is_killed(self) -> None:
        for spool in self.models:
            self.backlogs[spool] = self._new_backlog(spool)

    # What always holds

    @invariant()
    def counters_add_up(self) -> None:
        if self.models:
            words = self._words()
            assert words[ISSUED] == words[NUMBERS] + words[DECLARED_LOST]
            if len(self.old_counters) < 50:
                self.old_counters.append((self.directory / COUNTERS_NAME).read_bytes())

    def teardown(self) -> None:
        try:
            if self.models:
                self._account()
        finally:
            if self.models:
                self._drop()
            shutil.rmtree(self.top)

    def _account(self) -> None:
        """Let the next boot end all spools, ship what is left, and see that every record is accounted for."""
        self._drop()
        self.boot += 1
        self._open()
        for spool, model in self.models.items():
            self.backlogs[spool] = self._new_backlog(spool)
            for _ in range(3):
                self._ship(spool)
            report = model.report
            assert report is not None
            assert report.issued == report.frames + report.declared_lost, (spool, report)
            known = model.delivered.keys() | model.missing
            lost = {n for n in model.records if n not in model.delivered and n not in model.excused}
            assert not lost, f"{spool.name}: {sorted(lost)} are gone without excuse"
            gone = {n for n in range(report.frames) if n not in known and not model.confirmed.covers(n, n + 1)}
            assert not gone, f"{spool.name}: {sorted(gone)} of {report.frames} are neither delivered nor declared"

    # Plumbing

    @property
    def model(self) -> Model:
        return self.models[self.directory]

    def _payload(self, size: int) -> bytes:
        self.count += 1
        return b"[%d,%s]" % (self.count, b"1" * size)

    def _append(self, size: int, *, answered: bool) -> None:
        payload = self._payload(size)
        before = self._words()
        path = segments.segment_path(self.directory, before[SEGMENT])
        start = path.stat().st_size if path.exists() else 0
        taken = self.writer.append(payload)
        after = self._words()
        assert after[ISSUED] == before[ISSUED] + 1
        if taken:
            self._note(before[NUMBERS], payload, Place(path, start, start + segments.FRAME_BYTES + len(payload)))
            assert after[NUMBERS] == before[NUMBERS] + 1
            if path in self.headless:
                # The agent sets it aside while it is written.
                self.model.excused.add(before[NUMBERS])
        else:
            assert after[DECLARED_LOST] == before[DECLARED_LOST] + 1
            assert not answered or self.writer.full or self.writer._descriptor < 0

    def _note(self, number: int, payload: bytes, place: Place) -> None:
        assert number not in self.model.records, f"number {number} is used again"
        assert number not in self.model.delivered, f"number {number} is used again"
        self.model.records[number] = payload
        self.model.places[number] = place

    def _words(self) -> Sequence[int]:
        words = read_counters(self.directory / COUNTERS_NAME, 5)
        assert words is not None
        return words

    def _note_durable(self) -> None:
        for path in segments.segment_paths(self.directory):
            self.durable[path] = path.stat().st_size

    def _open(self) -> None:
        self.directory = spool_for_boot(self.top, SLOT, "clicks", str(self.boot))
        if self.directory not in self.models:
            self.models[self.directory] = Model()
            self.backlogs[self.directory] = self._new_backlog(self.directory)
            self.old_counters = [bytes(4096)]
            self.headless = set()
        self.writer = SpoolWriter(self.directory, SEGMENT_BYTES)
        # Mending syncs what it cuts; ending a spool syncs and closes it.
        for spool in self.models:
            if spool != self.directory:
                for path in segments.segment_paths(spool):
                    self.durable[path] = path.stat().st_size

    def _drop(self) -> None:
        """As a kill does: the descriptors go, nothing is synced."""
        for descriptor in [*self.writer._retired, self.writer._descriptor]:
            if descriptor >= 0:
                os.close(descriptor)
        self.writer._counters.close()

    def _new_backlog(self, spool: Path) -> Backlog:
        backlog = Backlog(spool, 7)
        backlog.confirm(self.models[spool].confirmed)
        return backlog

    def _ship(self, spool: Path) -> None:
        model, backlog = self.models[spool], self.backlogs[spool]
        before = {path.name: path.read_bytes() for path in segments.segment_paths(spool)}
        model.report = backlog.scan()
        self._check_freed(spool, before)
        backlog.confirm(model.confirmed)
        while extent := backlog.take(0):
            try:
                batch = backlog.read(extent)
            except SegmentError:
                # Damaged between index and reading: the shipper starts this spool over.
                self.backlogs[spool] = self._new_backlog(spool)
                return
            for number, text in enumerate(batch.payloads, batch.first):
                assert model.records.get(number) == text.encode(), f"{spool.name}: number {number} is another record"
                model.delivered[number] = text.encode()
            for number in range(batch.first + len(batch.payloads), batch.end):
                # What is confirmed may be among them: the database counts only what it has not.
                known = model.confirmed.covers(number, number + 1)
                assert known or number not in model.records or number in model.excused, f"{number} is said to be gone"
                model.missing.add(number)

    def _check_freed(self, spool: Path, before: dict[str, bytes]) -> None:
        """What is gone from the spool was confirmed or is in quarantine, byte for byte."""
        model = self.models[spool]
        left = {path.name for path in segments.segment_paths(spool)}
        for name in before.keys() - left:
            aside = spool / "quarantine" / name
            if aside.exists():
                assert aside.read_bytes() == before[name]
                continue
            unconfirmed = {
                number
                for number, place in model.places.items()
                if place.path.name == name
                and not model.confirmed.covers(number, number + 1)
                # What a power cut or a flip destroyed is in no file any more.
                and number not in model.excused
            }
            assert not unconfirmed, f"{name} was deleted with {unconfirmed} in it"


def test_no_record_is_lost_altered_or_renumbered_whatever_happens() -> None:
    profile = settings(
        max_examples=max(1, STEPS // STEPS_A_RUN),
        stateful_step_count=STEPS_A_RUN,
        deadline=None,
        # The same steps in every ordinary run, other ones in every long run.
        derandomize=STEPS <= 500,
        database=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Spools, settings=profile)
