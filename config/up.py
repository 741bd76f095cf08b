"""`make up`: the servers, the migrations and the programs of the Procfile, kept running until Ctrl-C.

It starts in this order: lock, leftovers, checks, Valkey and PostgreSQL, migrations, programs. It first stops the
programs that take new work (edge, intake, admin and stream), then the agent and the workers, then the servers.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import urllib3
from honcho.environ import parse_procfile

from config.embedded import (
    EmbeddedPostgres,
    EmbeddedValkey,
    embedded_postgres,
    embedded_valkey,
    lies_elsewhere,
    postgres,
    valkey,
)
from config.settings import (
    EmbeddedSettings,
    admin_settings,
    edge_settings,
    embedded_settings,
    search_path,
    secret,
    worker_settings,
)
from config.supervision import SERVERS, Program, RunRecord, StopRequested, Supervisor, end_leftovers, preflight
from tracking.runtime import WaypostError

ROOT = Path(__file__).resolve().parent.parent
# Programs that take requests are stopped first. Everything else in the Procfile works off what they took.
_IN_FRONT = ("edge", "intake", "admin", "stream")
_SERVER_STOP_S = 30.0
_READY_S = 60.0


def main() -> int:
    """Run the stack and return the exit status, which is 0 when it was asked to stop."""
    parser = argparse.ArgumentParser(prog="python -m config.up", description="Run all of Waypost on this machine.")
    parser.add_argument("--procfile", type=Path, default=ROOT / "Procfile", help="the programs to run")
    parser.add_argument("--migrate", default="exec python -m admin_api.migrate", help="command run once before them")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out a program of the Procfile, to run it by hand; may be given more than once",
    )
    arguments = parser.parse_args()
    try:
        settings = embedded_settings()
        programs = _programs(arguments.procfile, settings)
        left_out = {name: _taken(name, programs) for name in arguments.without}
        with preflight.lock_home(settings.home):
            _run(settings, programs, left_out, arguments.migrate)
    except (StopRequested, KeyboardInterrupt):
        return 0
    except WaypostError as error:
        for line in error.message.splitlines():
            print(f"waypost: {line}", file=sys.stderr)
        return 1
    return 0


def _programs(procfile: Path, settings: EmbeddedSettings) -> dict[str, str]:
    """Return the command of each program of a Procfile that these settings need, by name."""
    if not procfile.is_file():
        raise WaypostError(
            f"there is no {procfile}, which names the programs to run. A checkout of Waypost has one, an installed"
            " package has not: start from a checkout, or give --procfile FILE"
        )
    programs: dict[str, str] = parse_procfile(procfile.read_text()).processes
    if not settings.intake_port:
        programs.pop("intake", None)
    if not settings.stream_port:
        programs.pop("stream", None)
    return programs


def _taken(name: str, programs: dict[str, str]) -> str:
    """Remove a program from those to run, and return its command."""
    if name not in programs:
        raise WaypostError(f"--without {name} names no program; there are {', '.join(programs)}")
    return programs.pop(name)


def _run(settings: EmbeddedSettings, programs: Mapping[str, str], left_out: Mapping[str, str], migrate: str) -> None:
    for check in (edge_settings, worker_settings, admin_settings):
        check()
    records = settings.home / "run"
    if ended := end_leftovers(records):
        print(f"waypost: ended {ended} processes that an earlier run had left", flush=True)
    preflight.check_ports(settings, left_out)
    if settings.database_url:
        preflight.check_database(settings.database_url)
    if settings.redis_url:
        preflight.check_redis(settings.redis_url)
    supervisor = Supervisor(RunRecord(records))
    supervisor.catch_signals()
    try:
        _start_servers(supervisor, settings)
        _start_programs(supervisor, settings, programs, migrate)
        print(_screen(settings), _by_hand(settings.home, left_out), sep="\n", flush=True)
        supervisor.run_forever()
    finally:
        supervisor.say("stopping")
        supervisor.stop()
        supervisor.say("stopped")


def _start_servers(supervisor: Supervisor, settings: EmbeddedSettings) -> None:
    cache = None if settings.redis_url else _start_valkey(supervisor, settings)
    database = None if settings.database_url else _start_postgres(supervisor, settings)
    if cache is not None:
        supervisor.wait_until(lambda: _is_ready(supervisor, "valkey", cache), _READY_S, "the embedded Valkey")
    if database is not None:
        supervisor.wait_until(lambda: _is_ready(supervisor, "postgres", database), _READY_S, "the embedded PostgreSQL")
        database.ensure_database()


def _start_valkey(supervisor: Supervisor, settings: EmbeddedSettings) -> EmbeddedValkey:
    server = embedded_valkey(settings.home, settings.valkey_port, secret(settings.home, "valkey-password", 24))
    server.prepare()
    command = f"exec {shlex.join(server.command())}"
    supervisor.start(
        Program(
            *("valkey", command, server.directory, SERVERS),
            stop_signal=valkey.STOP_SIGNAL,
            stop_s=_SERVER_STOP_S,
            hidden=valkey.HIDDEN,
        )
    )
    return server


def _start_postgres(supervisor: Supervisor, settings: EmbeddedSettings) -> EmbeddedPostgres:
    password = secret(settings.home, "postgres-password", 24)
    server = embedded_postgres(settings.home, settings.user, settings.postgres_port, password)
    if lies_elsewhere(server, settings.home):
        supervisor.say(f"PostgreSQL's data is in {server.base}, where user {server.owner.name} reaches it")
    server.prepare()
    command = f"exec {shlex.join(server.command())}"
    supervisor.start(
        Program(
            *("postgres", command, server.data, SERVERS),
            stop_signal=postgres.STOP_SIGNAL,
            stop_s=_SERVER_STOP_S,
            switch=server.owner.switch,
        )
    )
    return server


def _start_programs(
    supervisor: Supervisor, settings: EmbeddedSettings, programs: Mapping[str, str], migrate: str
) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{search_path()}",
        "PYTHONUNBUFFERED": "1",
        "WAYPOST_HOME": str(settings.home),
    }
    supervisor.start(Program("migrate", migrate, ROOT, 1, once=True, environment=environment))
    supervisor.wait_until(lambda: supervisor.status("migrate") is not None, 600, "the migrations")
    if supervisor.status("migrate"):
        raise WaypostError("the migrations failed, as said above; DATABASE_URL chooses another database")
    for name, command in programs.items():
        supervisor.start(Program(name, command, ROOT, 0 if name in _IN_FRONT else 1, environment=environment))
    addresses = {
        "edge": (settings.edge_host, settings.edge_port),
        "intake": (settings.edge_host, settings.intake_port),
        "admin": (settings.admin_host, settings.admin_port),
        "stream": (settings.admin_host, settings.stream_port),
    }
    for name in filter(programs.__contains__, _IN_FRONT):
        url = f"{_base_url(*addresses[name])}/readyz"
        supervisor.wait_until(lambda url=url: _answers(url), _READY_S, f"{name} to answer 200 at {url}")  # type: ignore[misc]


def _is_ready(supervisor: Supervisor, name: str, server: EmbeddedPostgres | EmbeddedValkey) -> bool:
    pid = supervisor.pid(name)
    return pid is not None and server.is_ready(pid)


def _answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, timeout=2.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _base_url(host: str, port: int) -> str:
    """Return the address at which a browser on this machine reaches a listener."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{reachable}:{port}"


def _screen(settings: EmbeddedSettings) -> str:
    file = settings.home / "admin-token"
    token = f"in {file}" if file.exists() else "one made before with this database; this WAYPOST_HOME has none"
    admin = _base_url(settings.admin_host, settings.admin_port)
    return f"""
  Waypost is running. Ctrl-C stops all of it.

    tracking    {_base_url(settings.edge_host, settings.edge_port)}/click/SLUG
    postbacks   {_base_url(settings.edge_host, settings.intake_port or settings.edge_port)}/postback/TOKEN
    admin API   {admin}/v1/
    API docs    {admin}/docs
    API token   {token}

    curl -H "Authorization: ApiKey $(cat {shlex.quote(str(file))})" {admin}/v1/profiles

  In another terminal, `make demo` sends traffic through and shows the funnel.
"""


def _by_hand(home: Path, left_out: Mapping[str, str]) -> str:
    """Return the command that runs what was left out: the same one, with this interpreter and this home."""
    environment = f"WAYPOST_HOME={shlex.quote(str(home))}"
    text = ""
    for name, command in left_out.items():
        alone = re.sub(r"^(exec )?python ", f"{shlex.quote(sys.executable)} ", command)
        text += f"  Left out: {name}. To run it by hand:\n    {environment} {alone}\n"
    return f"{text}\n" if text else ""


if __name__ == "__main__":
    sys.exit(main())
