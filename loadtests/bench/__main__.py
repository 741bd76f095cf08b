"""`python -m loadtests.bench`: clicks per second under each server, one core each for server and load, several rounds
in turn.

Needs wrk, and nginx for the ratio. The edge runs its whole click path: lookup, id, spool write, answer.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

from config.mirror import MirrorWriter, stamp
from config.served import ServedLink, ServedProfile, encode_served, link_key, profile_key
from config.settings import inherited_environment
from loadtests.bench.contestants import edge, nginx
from tracking.template import compile_template

_HOST = "bench.example"
_SERVER_CORE, _LOAD_CORE = 0, 1


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--links", type=int, default=10)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is not installed; on Debian and Ubuntu: apt-get install wrk nginx-light")
    names = ["nginx"] if shutil.which("nginx") else []
    names += ["meinheld"] if find_spec("meinheld") else []
    names += ["granian", "gthread"]
    with tempfile.TemporaryDirectory(prefix="waypost-bench-") as directory:
        home = Path(directory)
        _fill_mirror(home, arguments.links)
        rates: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(arguments.rounds):
            for name in names:
                rates[name].append(_measure(name, home, arguments.seconds))
    _print(rates, arguments)


def _measure(name: str, home: Path, seconds: int) -> float:
    """Return requests a second of one server in one round."""
    contestant: AbstractContextManager[int]
    if name == "nginx":
        contestant = nginx(_SERVER_CORE, home)
    else:
        environ = {**inherited_environment(), "WAYPOST_HOME": str(home), "REDIS_URL": "redis://127.0.0.1:1/0"}
        contestant = edge(name, _SERVER_CORE, home, environ)
    with contestant as port:
        url = f"http://127.0.0.1:{port}/click/link1?sub1=a&sub2=b"
        command = ["taskset", "-c", str(_LOAD_CORE), "wrk", "-t1", "-c32", f"-d{seconds}s", "-H", f"Host: {_HOST}", url]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # wrk counts any answer but 2xx and 3xx apart; a server that refuses quickly must not win.
    if "Non-2xx" in output:
        raise RuntimeError(f"{name} refused requests:\n{output}")
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    if found is None:
        raise RuntimeError(f"wrk printed no rate:\n{output}")
    return float(found[1])


def _fill_mirror(home: Path, links: int) -> None:
    profile = ServedProfile(1, "Bench", True, "302", None, [], 300)
    parts = list(compile_template("https://m.example/p?c={click_id}&s={sub1}", "destination_url"))
    served = [(profile_key(_HOST), encode_served(profile))]
    served += [
        (link_key(1, f"link{number}"), encode_served(ServedLink(number, True, parts, None, [None] * 10)))
        for number in range(1, links + 1)
    ]
    writer = MirrorWriter(home / "mirror", 1 << 32)
    writer.replace(stamp("bench", 1, "0-0"), served)
    writer.close()


def _print(rates: dict[str, list[float]], arguments: argparse.Namespace) -> None:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    limit = medians.get("nginx")
    when = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}"
    table = Table(title=f"Clicks per second on one core, {arguments.rounds} rounds in turn, {when}")
    for heading in ("server", "median", "min", "max", "of nginx"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for name, values in rates.items():
        ratio = f"{medians[name] / limit:.2f}" if limit else "-"
        table.add_row(name, f"{medians[name]:,.0f}", f"{min(values):,.0f}", f"{max(values):,.0f}", ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
