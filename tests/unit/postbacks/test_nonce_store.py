"""The ids of signed postbacks: each is taken once on a host, by whichever process, without Redis."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge.postbacks import NonceStore
from edge.postbacks import nonce_store as module
from edge.postbacks.nonce_store import NONCE_TTL_S

ROOT = Path(__file__).resolve().parents[3]


class Clock:
    """Unix seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_789_000_000.0

    def __call__(self) -> float:
        return self.now


def test_an_id_is_taken_once_for_each_account(tmp_path: Path) -> None:
    nonces = NonceStore(tmp_path)
    assert [nonces.claim(*each) for each in ((1, "a"), (1, "b"), (2, "a"), (1, "a"), (2, "a"))] == [
        True,
        True,
        True,
        False,
        False,
    ]
    nonces.close()


def test_an_id_that_was_taken_back_may_come_again(tmp_path: Path) -> None:
    nonces = NonceStore(tmp_path)
    assert nonces.claim(1, "a")
    nonces.forget(1, "a")
    assert nonces.claim(1, "a")
    assert not nonces.claim(1, "a")
    nonces.close()


def test_an_id_is_kept_while_its_signature_could_be_good_and_then_gone(tmp_path: Path) -> None:
    clock = Clock()
    nonces = NonceStore(tmp_path, clock)
    assert nonces.claim(1, "a")
    clock.now += NONCE_TTL_S - 1
    assert not nonces.claim(1, "a")
    clock.now += 1
    assert nonces.claim(1, "a")
    assert not nonces.claim(1, "a")
    nonces.close()


def test_the_file_forgets_what_is_over(tmp_path: Path) -> None:
    clock = Clock()
    nonces = NonceStore(tmp_path, clock)
    for number in range(200):
        assert nonces.claim(1, f"old {number}")
    clock.now += NONCE_TTL_S
    for number in range(60):
        assert nonces.claim(1, f"new {number}")
    assert nonces._environment is not None
    assert nonces._environment.stat()["entries"] == 2 * 60
    assert not nonces.claim(1, "new 0")
    nonces.close()


def test_processes_of_a_host_share_what_they_have_seen_and_a_new_one_knows_it_too(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edge.postbacks.nonce_store import NonceStore\n"
        "nonces = NonceStore(Path(sys.argv[1]))\n"
        "print([nonces.claim(1, name) for name in sys.argv[2:]])\n"
    )

    def claimed(*names: str) -> str:
        command = [sys.executable, "-c", code, str(tmp_path), *names]
        return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()

    nonces = NonceStore(tmp_path)
    assert nonces.claim(1, "ours")
    assert claimed("ours", "theirs") == "[False, True]"
    assert not nonces.claim(1, "theirs")
    nonces.close()
    assert claimed("ours", "theirs", "new") == "[False, False, True]"


def test_of_many_threads_with_one_id_one_has_it(tmp_path: Path) -> None:
    nonces = NonceStore(tmp_path)
    with ThreadPoolExecutor(16) as threads:
        claimed = list(threads.map(lambda number: nonces.claim(1, str(number // 16)), range(320)))
    assert sum(claimed) == 20
    nonces.close()


def test_another_boot_begins_anew_and_removes_what_was_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "boot_id", lambda: "one")
    before = NonceStore(tmp_path)
    assert before.claim(1, "a")
    before.close()
    monkeypatch.setattr(module, "boot_id", lambda: "two")
    after = NonceStore(tmp_path)
    assert after.claim(1, "a")
    after.close()
    assert [path.name for path in tmp_path.iterdir()] == ["nonces-two"]


def test_without_a_file_every_id_passes_and_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    nonces = NonceStore(blocked)
    assert nonces.claim(1, "a")
    assert nonces.claim(1, "a")
    assert "found by the worker alone" in caplog.text


def test_a_full_file_lets_ids_pass_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_MAP_BYTES", 32 * 1024)
    nonces = NonceStore(tmp_path)
    assert all(nonces.claim(1, str(number)) for number in range(2000))
    assert "found by the worker alone" in caplog.text
    assert not nonces.claim(1, "0")
    nonces.close()
