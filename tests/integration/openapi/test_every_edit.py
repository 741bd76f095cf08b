"""Every edit of one object says which revision it is based on. The operations are those of the OpenAPI document."""

from __future__ import annotations

from typing import Any, NamedTuple

from one_of_each import OneOfEach, any_path

# What an edit needs in its body so that it comes as far as the revision.
BODIES: dict[str, dict[str, Any]] = {
    "PATCH /v1/conversions/{conversion_id}": {"status": "approved"},
    "PATCH /v1/api-tokens/{token_id}": {"name": "One"},
    "POST /v1/payouts/{payout_id}/reject": {"note": "One"},
    "POST /v1/links/{link_id}/rollback": {"revision": 1},
    "POST /v1/rotations/{rotation_id}/rollback": {"revision": 1},
}
# Edits that are of no stored object, so that there is no revision to be based on.
WITHOUT_REVISION = {"DELETE /v1/session"}


class Edit(NamedTuple):
    """An operation that needs If-Match."""

    method: str
    path: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body(self) -> dict[str, Any] | None:
        return None if self.method == "DELETE" else BODIES.get(self.name, {})


def operations(each: OneOfEach) -> dict[Edit, dict[str, Any]]:
    return {Edit(method, path): declared for method, path, declared in each.operations()}


def edits(each: OneOfEach) -> list[Edit]:
    return [
        edit
        for edit, declared in operations(each).items()
        if any(parameter["name"] == "If-Match" for parameter in declared["parameters"])
    ]


def test_every_change_and_deletion_of_one_object_takes_if_match(each: OneOfEach) -> None:
    changing = {edit.name for edit in operations(each) if edit.method in ("PATCH", "PUT", "DELETE")}
    assert changing - {edit.name for edit in edits(each)} == WITHOUT_REVISION


def test_an_edit_without_if_match_is_428_whether_its_object_exists_or_not(each: OneOfEach) -> None:
    for edit in edits(each):
        answer = each.admin.request(edit.method, any_path(edit.path), edit.body, If_Match="")
        assert (answer.status_code, answer.json["code"]) == (428, "precondition-required"), edit


def test_an_edit_of_another_revision_is_412_and_changes_nothing(each: OneOfEach) -> None:
    for edit in edits(each):
        path = each.path_of(edit.path)
        for tag in ('"999999999"', 'W/"1"', '"x"', '""'):
            answer = each.admin.request(edit.method, path, edit.body, If_Match=tag)
            assert (answer.status_code, answer.json["code"]) == (412, "revision-mismatch"), (edit, tag, answer.text)


def test_an_edit_of_the_revision_that_was_read_is_made(each: OneOfEach) -> None:
    """Where the object itself can be read at the path that is edited."""
    readable = {edit.path for edit in operations(each) if edit.method == "GET"}
    made = [edit for edit in edits(each) if edit.method == "PATCH" and edit.path in readable]
    assert made
    for edit in made:
        path = each.path_of(edit.path)
        tag = each.admin.request("GET", path).headers["ETag"]
        answer = each.admin.request("PATCH", path, edit.body, If_Match=tag)
        assert answer.status_code == 200, (edit, answer.text)
