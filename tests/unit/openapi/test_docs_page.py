"""The page /docs and the document are there for anybody, whole, and ask no other host for anything."""

from __future__ import annotations

import re
from typing import Any

import pytest
from falcon.testing import TestClient

from admin_api.app import Collaborators, create_app
from admin_api.openapi import page
from admin_api.resources import Addresses

NOBODY: Any = None
WEB = TestClient(create_app(Collaborators(NOBODY, NOBODY, Addresses("https", 8080), (b"a key of the tests",))))


def test_the_document_needs_no_token() -> None:
    answer = WEB.simulate_get("/v1/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["paths"]["/v1/links"]["post"]["summary"] == "Create a link"


def test_every_file_that_the_page_names_is_served_with_its_type() -> None:
    html = WEB.simulate_get("/docs")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    types = {"css": "text/css", "js": "text/javascript", "png": "image/png"}
    named = re.findall(r'(?:src|href)="(/docs/[^"]+)"', html.text)
    assert len(named) == 5
    for path in named:
        answer = WEB.simulate_get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith(types[path.rpartition(".")[2]]), path
        assert len(answer.content) > 100, path


def test_the_page_runs_no_script_of_its_own_and_names_no_other_host() -> None:
    html = WEB.simulate_get("/docs")
    assert re.findall(r"https?://|<script>|\son\w+=", html.text) == []
    assert "script-src 'self';" in html.headers["content-security-policy"]
    assert "default-src 'none'" in html.headers["content-security-policy"]


def test_without_swagger_ui_the_answer_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(page, "_UNPACKED", tmp_path)
    monkeypatch.setattr(page, "_PACKAGE", "no_such_package")
    answer = WEB.simulate_get("/docs/swagger-ui.css")
    assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert "bin/setup" in answer.json["detail"]
