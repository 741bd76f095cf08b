"""The documentation is complete: all that an operator can set, call, measure or meet is in it, and its links work."""

from __future__ import annotations

import ast
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from falcon.inspect import inspect_routes

from admin_api.app import Collaborators as AdminParts
from admin_api.app import create_app as create_admin
from admin_api.health.objects import HealthPart, HealthState
from admin_api.stream import StreamParts, create_stream_app
from admin_api.stream.selection import EventType
from config.configuration import MirrorReader, create_mirror
from config.geo import GeoEvent
from config.settings import edge_settings
from config.settings.options import OPTIONS
from edge.app import Collaborators as EdgeParts
from edge.app import create_app as create_edge
from edge.http import Outcome
from tracking.clicks import CLICK_MACROS
from tracking.conversions import ConversionStatus, Event, PostbackOutcome, PostbackReason
from tracking.event_log import StepKind
from tracking.issues import IssueKind, IssueState
from tracking.money import (
    CommissionKind,
    CommissionReason,
    EntryKind,
    HeldBack,
    Party,
    PayoutSchedule,
    PayoutState,
    RateOrigin,
)
from tracking.money.commission_plans import PlanRung, PlanVerdict
from tracking.outgoing import AttemptError, DeliveryState, OutgoingState
from tracking.outgoing.message import OUTGOING_MACROS
from tracking.postbacks.click_reference import CorrectionRule
from tracking.privacy import AddressStorage, RetentionClass, SubjectKind
from tracking.reconciliation import Column, RowClass
from tracking.reconciliation.comparison import Difference
from tracking.runtime import QueueName, Task
from tracking.traffic import TrafficClass

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
DOCS = "\n".join(path.read_text() for path in PAGES)
PROGRAMS = ("edge", "worker", "admin_api")
_API_PATH = re.compile(r"(?<![\w:/.])/v1/[a-z0-9_{}/.-]*[a-z0-9_}]")
# A row of a table of routes: its methods and its path.
_OPERATIONS = re.compile(r"^\| ((?:`[A-Z]+`, )*`[A-Z]+) (/[^\s`]+)` \|", re.MULTILINE)
_METRIC = re.compile(r"waypost_[a-z0-9_]+")
_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def strings(*packages: str) -> set[str]:
    """Return every string literal of some packages that is not a docstring."""
    found = set()
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_bytes())
            alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            found |= {
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone
            }
    return found


def routes(home: Path) -> set[str]:
    """Return every route of both apps, as Falcon has them. Nothing is served, so what they work with may be absent, but
    for the mirror, whose counter of changes the edge keeps a hold of.
    """
    absent: Any = None
    create_mirror(home / "mirror", 1 << 20)
    mirror = MirrorReader(home / "mirror")
    edge_app = create_edge(
        edge_settings({"WAYPOST_HOME": str(home)}), EdgeParts(mirror, absent, absent, absent, absent)
    )
    mirror.close()
    admin_app = create_admin(AdminParts(absent, absent, absent, ()))
    stream_app = create_stream_app(StreamParts(absent, absent, 0))
    return {route.path for app in (edge_app, admin_app, stream_app) for route in inspect_routes(app)}


def admin_operations() -> set[tuple[str, str]]:
    """Return the method and path of everything that the admin API answers."""
    absent: Any = None
    found = inspect_routes(create_admin(AdminParts(absent, absent, absent, ())))
    return {(method.method, route.path) for route in found for method in route.methods if not method.internal}


def named(word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", DOCS) is not None


@pytest.mark.parametrize("name", OPTIONS)
def test_setting_is_documented_with_its_default(name: str) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    lines = [line for line in page.splitlines() if f"`{name}`" in line]
    assert lines, f"docs/configuration.md has no `{name}`"
    default = OPTIONS[name].default
    assert not default or any(f"`{default}`" in line for line in lines), (
        f"no line of `{name}` gives its default `{default}`"
    )


def test_no_setting_is_documented_that_does_not_exist() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = re.findall(r"^\|\s*`([A-Z][A-Z0-9_]+)`", page, re.MULTILINE)
    assert sorted(set(rows) - set(OPTIONS)) == []


def test_every_route_is_documented(tmp_path: Path) -> None:
    found = routes(tmp_path)
    assert {"/click/{slug}", "/post-back/{token}", "/v1/ledger"} <= found
    assert sorted(route for route in found if route not in DOCS) == []


def test_no_route_is_documented_that_does_not_exist(tmp_path: Path) -> None:
    assert sorted(set(_API_PATH.findall(DOCS)) - routes(tmp_path)) == []


def test_the_page_of_the_admin_api_has_the_methods_of_every_route() -> None:
    rows = _OPERATIONS.findall((ROOT / "docs" / "admin-api.md").read_text())
    named = {(method, path) for methods, path in rows for method in re.findall("[A-Z]+", methods)}
    found = admin_operations()
    assert sorted(named - found) == []
    # The files of /docs are named in its row.
    assert sorted(each for each in found - named if not each[1].startswith("/docs/")) == []


def test_every_metric_is_documented() -> None:
    found = {name for text in strings(*PROGRAMS, "config") for name in _METRIC.findall(text)}
    assert found
    assert sorted(name for name in found if name not in DOCS) == []


@pytest.mark.parametrize(
    "words",
    [
        Outcome,
        GeoEvent,
        PostbackReason,
        PostbackOutcome,
        ConversionStatus,
        Event,
        TrafficClass,
        CorrectionRule,
        IssueKind,
        IssueState,
        StepKind,
        RowClass,
        Difference,
        Column,
        QueueName,
        Task,
        AttemptError,
        DeliveryState,
        OutgoingState,
        CommissionKind,
        CommissionReason,
        EntryKind,
        HeldBack,
        Party,
        PayoutSchedule,
        PayoutState,
        PlanRung,
        PlanVerdict,
        RateOrigin,
        RetentionClass,
        AddressStorage,
        SubjectKind,
        HealthPart,
        HealthState,
        EventType,
    ],
)
def test_every_value_of_a_closed_list_is_documented(words: type[StrEnum]) -> None:
    assert [word.value for word in words if not named(word.value)] == []


def test_every_error_code_is_documented() -> None:
    """A kebab-case string handed on as `code` is what a client branches on, so each one has its line."""
    codes = set()
    for package in ("tracking", "config", *PROGRAMS):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_bytes())):
                values: list[ast.expr] = []
                if (isinstance(node, ast.keyword) and node.arg == "code") or (
                    isinstance(node, ast.Assign)
                    and any(isinstance(t, ast.Name) and t.id == "code" for t in node.targets)
                ):
                    values = [node.value]
                codes |= {
                    value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)
                }
    assert codes
    assert sorted(code for code in codes if _CODE.fullmatch(code) and not named(code)) == []


def test_every_macro_is_documented() -> None:
    assert sorted(name for name in CLICK_MACROS if not re.match(r"sub\d", name) and f"{{{name}}}" not in DOCS) == []


def test_every_macro_of_outgoing_urls_is_documented() -> None:
    page = (ROOT / "docs" / "outgoing.md").read_text()
    assert [name for name in OUTGOING_MACROS if not re.match(r"sub\d", name) and f"`{{{name}}}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_internal_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(_FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_record_has_its_four_parts() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert records
    for record in records:
        text = record.read_text().lower()
        assert all(part in text for part in ("context", "options", "decision", "consequences")), record.name
