"""`python -m loadtests.caps`: several processes on two simulated hosts send clicks to one capped destination, while
nothing, or much, goes wrong. Prints by how many clicks the limit was exceeded, and how many of it stayed unused.

Exit status 1 if a limit was exceeded at all.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

from config.settings import SettingError
from loadtests.caps.hosts import Host, WebHost
from loadtests.caps.report import Findings, Run, page, save
from loadtests.caps.scene import Scene, running
from tracking.caps import Cap, CapCount, CapPer

_RESULTS = Path(__file__).resolve().parents[1] / "results"
# Nothing was taken for so long: more than Redis's data must age after a flush before anything is granted.
_QUIET_S = 7.0
_LONGEST_S = 90.0

Trouble = Callable[[Scene, Cap], None]


def _everything(scene: Scene, cap: Cap) -> None:
    for trouble in (Scene.kill_process, Scene.kill_agent, Scene.flush_redis, Scene.stop_redis):
        trouble(scene, cap)


# What goes wrong, and at which parts of the limit.
TROUBLES: dict[str, tuple[Trouble | None, tuple[float, ...]]] = {
    "nothing": (None, ()),
    "a process is killed": (Scene.kill_process, tuple(part / 20 for part in range(1, 20))),
    "an agent is killed": (Scene.kill_agent, (0.1, 0.3, 0.5, 0.7, 0.9, 0.98)),
    "Redis is flushed": (Scene.flush_redis, (0.3, 0.95)),
    "Redis hangs for 2 s": (Scene.stop_redis, (0.3, 0.95)),
    "all of these": (_everything, (0.3, 0.9)),
}


def main() -> int:
    """Measure, print, and save where that is wanted."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.caps", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how often each trouble is measured")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--processes", type=int, default=3, help="edge processes of each host")
    parser.add_argument("--rate", type=float, default=500.0, help="clicks a second of each process")
    parser.add_argument("--trouble", choices=TROUBLES, nargs="*", default=[*TROUBLES])
    parser.add_argument("--http", action="store_true", help="with real edges and visitors, instead of without HTTP")
    parser.add_argument("--save", action="store_true", help=f"write the dated result into {_RESULTS.name}/")
    options = parser.parse_args()
    # So that what was started is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = Findings(options.hosts, options.processes, options.rate, options.limit, options.http)
    kind = WebHost if options.http else Host
    directory = Path(tempfile.mkdtemp(prefix="waypost-caps-"))
    try:
        with running(directory, options.hosts, options.processes, options.rate, kind) as scene:
            for number in range(options.runs):
                for name in options.trouble:
                    cap = Cap(
                        1 + number * len(TROUBLES) + [*TROUBLES].index(name),
                        CapCount.CLICKS,
                        CapPer.TOTAL,
                        options.limit,
                        "UTC",
                    )
                    found.runs.append(run := measure(scene, cap, name))
                    sys.stderr.write(f"{name}: {run.taken} of {options.limit} in {run.seconds:.1f} s\n")
    except (TimeoutError, SettingError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.write(page(found, datetime.now(UTC)))
    if options.save:
        sys.stdout.write(f"written to {save(found, _RESULTS)}\n")
    return int(any(run.taken > options.limit for run in found.runs))


def measure(scene: Scene, cap: Cap, name: str) -> Run:
    """Send clicks until no more are taken, with what goes wrong on the way."""
    trouble, parts = TROUBLES[name]
    due = [int(part * cap.limit) for part in parts]
    commands = _commands(scene)
    scene.begin(cap)
    began = changed = last = monotonic()
    taken = refused = refused_before = times = 0
    # On a busy machine, processes that were killed may take long to click again.
    enough = int(scene.rate * scene.processes * len(scene.hosts) * _QUIET_S / 4)
    try:
        # Until the first click is taken, Redis's data may be too young.
        while (now := monotonic()) - began < _LONGEST_S and (
            now - changed < _QUIET_S or not taken or refused - refused_before < enough
        ):
            sleep(0.02)
            before, (taken, refused) = taken, scene.counted()
            if taken != before:
                changed, refused_before = monotonic(), refused
                last = changed
            if trouble is not None and due and taken >= due[0]:
                del due[0]
                trouble(scene, cap)
                times += 1
                changed = monotonic()
    finally:
        scene.stop()
    taken, refused = scene.counted()
    return Run(name, cap.limit, taken, refused, last - began, times, _commands(scene) - commands)


def _commands(scene: Scene) -> int:
    return int(scene.redis.info("stats")["total_commands_processed"])


if __name__ == "__main__":
    sys.exit(main())
