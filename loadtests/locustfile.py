"""What Locust loads: `locust -f loadtests/locustfile.py SCENARIO`; docs/load-testing.md says how."""

from __future__ import annotations

import sys
from pathlib import Path

# Locust puts this folder on the path; our packages are beside it.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from config.settings import embedded_settings
from loadtests.scenarios.target import TargetError, await_live, find_target
from loadtests.scenarios.visitors import MixedDay, PostbackBurst, Redirects, TrackedUser, UnknownSlugs

__all__ = ["MixedDay", "PostbackBurst", "Redirects", "UnknownSlugs"]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_options(parser: LocustArgumentParser) -> None:
    settings = embedded_settings()
    api = f"http://{settings.admin_host}:{settings.admin_port}"
    parser.add_argument("--api", default=api, help=f"admin API that makes the links (default {api})")
    parser.add_argument("--api-token", default="", include_in_web_ui=False, help="its token")
    token_file = str(settings.home / "admin-token")
    parser.add_argument("--api-token-file", default=token_file, help="file that holds the token")
    parser.add_argument("--links", type=int, default=100, help="how many links to make (default 100)")
    parser.add_argument("--urls", default="", help="file of tracking URLs, most popular first; nothing is made then")
    parser.add_argument(
        "--postback-token",
        default="",
        include_in_web_ui=False,
        help="token of a merchant account, for postbacks with --urls",
    )
    parser.set_defaults(host=f"http://{settings.edge_host}:{settings.edge_port}")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def _find_target(environment: Environment, **_unused: object) -> None:
    """Make or read the links in every process that sends requests; the master of several sends none."""
    if type(environment.runner).__name__ == "MasterRunner":
        return
    options = environment.parsed_options
    assert options is not None
    try:
        target = find_target(options)
        await_live(target, environment.host or options.host)
    except (TargetError, OSError) as error:
        sys.stderr.write(f"locust: {error}\n")
        sys.exit(2)
    TrackedUser.target = target
    TrackedUser.clicked.clear()
