"""The `waypost` command: one word for each thing that a person starts.

Each word runs a program by its name, with the same interpreter, and hands on everything that follows: `waypost up
--help` is the help of `python -m config.up`. Nothing of those programs is imported here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import typer

from config.settings import inherited_environment

ROOT = Path(__file__).resolve().parent.parent
# What follows a word belongs to the program, options and --help included.
_HANDED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    name="waypost",
    help="Waypost, a self-hosted affiliate click tracker. `waypost WORD --help` tells the options of a word.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command(context_settings=_HANDED_ON)
def up(context: typer.Context) -> None:
    """Run all of Waypost on this machine until Ctrl-C."""
    _run_module("config.up", context.args)


@app.command(context_settings=_HANDED_ON)
def demo(context: typer.Context) -> None:
    """Send traffic through the running stack and show the funnel."""
    _run_module("loadtests.demo", context.args)


@app.command(context_settings=_HANDED_ON)
def bench(context: typer.Context) -> None:
    """Measure the edge under each WSGI server. Needs wrk."""
    _require_checkout("bench")
    _run_module("loadtests.bench", context.args)


@app.command(context_settings=_HANDED_ON)
def faults(context: typer.Context) -> None:
    """Break a stack under load and account for every click."""
    _require_checkout("faults")
    _run_module("loadtests.faults", context.args)


@app.command(context_settings=_HANDED_ON)
def test(context: typer.Context) -> None:
    """Run the tests of this checkout; arguments go to pytest."""
    _require_checkout("test")
    # bin/test brings the environment up to date first, and is to use the one that this command is installed in.
    environ = inherited_environment() | {"WAYPOST_VENV": sys.prefix}
    _become([str(ROOT / "bin" / "test"), *context.args], environ)


def main() -> None:
    """Run one word of the command line."""
    app()


def _run_module(name: str, arguments: list[str]) -> NoReturn:
    # -P: a folder named `config` where a person happens to be must not be taken for ours.
    _become([sys.executable, "-P", "-m", name, *arguments], inherited_environment())


def _become(command: list[str], environ: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execve(command[0], command, environ)  # noqa: S606 - a program of ours, with a list


def _require_checkout(word: str) -> None:
    if not (ROOT / "bin" / "test").exists():
        typer.echo(
            f"waypost: `waypost {word}` works in a checkout of Waypost only, and this package is installed in {ROOT}."
            " The README says how to begin with a checkout.",
            err=True,
        )
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
