"""The alerts and the dashboard of deploy/ are understood, and ask only for what real processes measure."""

from __future__ import annotations

import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import orjson
import pytest
import urllib3

from running_stack import Stack
from tools import require_tool

ROOT = Path(__file__).resolve().parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "waypost-alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "waypost.json"
_NAME = re.compile(r"\bwaypost_[a-z0-9_]+")
_EXPRESSION = re.compile(r"^ +(?:expr|summary): (.+)$", re.MULTILINE)
# What happens, and which alerts there are then, each after so many minutes.
_RULE_TESTS = """
rule_files: [{alerts}]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - {{series: 'waypost_ledger{{figure="difference", stream="clicks"}}', values: '1x60'}}
      - {{series: 'waypost_edge_declared_lost_total{{stream="clicks", instance="a"}}', values: '0x20 7x40'}}
      - {{series: 'waypost_host_mirror_version{{host="1"}}', values: '4x60'}}
      - {{series: 'waypost_host_mirror_version{{host="2"}}', values: '5x60'}}
      - {{series: 'waypost_published_version', values: '5x60'}}
      - {{series: 'waypost_host_oldest_record_seconds{{host="1", stream="clicks"}}', values: '40x60'}}
      - {{series: 'waypost_partition_days_ahead{{table="clicks"}}', values: '7x60'}}
      - {{series: 'waypost_partition_days_ahead{{table="postbacks"}}', values: '40x60'}}
    alert_rule_test:
      - {{eval_time: 1m, alertname: WaypostRecordsUnaccountedFor}}
      - eval_time: 10m
        alertname: WaypostRecordsUnaccountedFor
        exp_alerts: [{{exp_labels: {{severity: critical, stream: clicks}}, exp_annotations: {unaccounted}}}]
      - {{eval_time: 4m, alertname: WaypostRecordsDeclaredLost}}
      - {{eval_time: 10m, alertname: WaypostMirrorEmpty}}
      - {{eval_time: 10m, alertname: WaypostPartitionsEnd}}
      - {{eval_time: 10m, alertname: WaypostClicksVeryLate}}
      - eval_time: 10m
        alertname: WaypostMirrorBehind
        exp_alerts: [{{exp_labels: {{severity: critical, host: "1"}}, exp_annotations: {behind}}}]
"""


@pytest.fixture(scope="module")
def measured(stack: Stack) -> set[str]:
    """Return the names of all metrics that the running processes have."""
    names: set[str] = set()
    for port in (stack.edge_port, stack.admin_port, stack.stream_port):
        reply = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics", timeout=20.0, retries=False)
        assert reply.status == 200
        names |= set(_NAME.findall(reply.data.decode()))
    return names


def panels() -> list[Any]:
    found: list[Any] = orjson.loads(DASHBOARD.read_bytes())["panels"]
    return found


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


def description_of(alert: str) -> str:
    found = re.search(rf'{alert}\n.*?description: "(.*?)"', ALERTS.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_every_metric_of_an_alert_is_measured(measured: set[str]) -> None:
    asked = {name for text in _EXPRESSION.findall(ALERTS.read_text()) for name in _NAME.findall(text)}
    assert len(asked) > 20
    assert sorted(asked - measured) == []


def test_every_metric_of_the_dashboard_is_measured(measured: set[str]) -> None:
    asked = {name for expression in expressions() for name in _NAME.findall(expression)}
    assert len(asked) > 25
    assert sorted(asked - measured) == []


def test_prometheus_accepts_its_configuration_and_the_alerts() -> None:
    promtool = require_tool("prometheus", "promtool")
    done = subprocess.run([promtool, "check", "config", PROMETHEUS / "prometheus.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"SUCCESS: \d\d rules found", done.stdout)


def test_prometheus_understands_what_the_dashboard_asks(tmp_path: Path) -> None:
    promtool = require_tool("prometheus", "promtool")
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions())]
    # JSON is YAML.
    (tmp_path / "rules.yaml").write_bytes(orjson.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_come_when_something_is_wrong_and_stay_away_otherwise(tmp_path: Path) -> None:
    promtool = require_tool("prometheus", "promtool")
    said = [
        orjson.dumps({"summary": summary, "description": description_of(name)}).decode()
        for name, summary in (
            ("WaypostRecordsUnaccountedFor", "1 clicks are unaccounted for"),
            ("WaypostMirrorBehind", "Host 1 serves version 4 of the configuration, an older one"),
        )
    ]
    tests = tmp_path / "tests.yaml"
    tests.write_text(_RULE_TESTS.format(alerts=ALERTS, unaccounted=said[0], behind=said[1]))
    done = subprocess.run([promtool, "test", "rules", tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_to_do() -> None:
    text = ALERTS.read_text()
    alerts = text.count("- alert: ")
    assert alerts == text.count("description: ") == text.count("severity: ") == text.count("summary: ")


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    for panel in found:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["targets"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in found], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
