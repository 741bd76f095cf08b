"""Gives each link of a file its place, which is a profile and a slug, and finds the places that are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from admin_api.bulk_links.drafts import Draft
from admin_api.bulk_links.stored_links import Place, load_by_place
from admin_api.configuration import mint_slug
from admin_api.runtime import Database, Row
from tracking.runtime import FieldError

SLUG_ATTEMPTS = 10


class Places:
    """The places that the rows of one file claim."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # The row of the file that claims a place.
        self._claimed: dict[Place, int] = {}

    def claimed(self, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, FieldError | None]]:
        """Yield the drafts, each with a slug and a name, and why its place cannot be had, if so."""
        minted = [draft for draft in drafts if not draft.values["slug"]]
        for draft in minted:
            draft.values["slug"] = mint_slug()
        moving = [draft for draft in drafts if draft.before is None or draft.place != _place_before(draft.before)]
        taken = load_by_place(self._database, {draft.place for draft in moving}, lock=False)
        for draft in minted:
            self._mint_until_free(draft, taken)
        for draft in drafts:
            draft.values["name"] = draft.values["name"] or draft.values["slug"]
            yield draft, self._error(draft, taken)

    def _error(self, draft: Draft, taken: Mapping[Place, Row]) -> FieldError | None:
        other = taken.get(draft.place)
        if other is not None and (draft.before is None or other["link_id"] != draft.before["link_id"]):
            said = f"link {other['link_id']} of this profile has this slug already; choose another slug"
            return FieldError("slug", said, code="slug-taken")
        first = self._claimed.setdefault(draft.place, draft.number)
        if first != draft.number:
            return FieldError("slug", f"row {first} has the same profile and slug; keep one of them", code="duplicate")
        return None

    def _mint_until_free(self, draft: Draft, taken: Mapping[Place, Row]) -> None:
        """Draw a slug again while another link has it, which is once in 17 times for 100,000 links beside a million."""
        found = taken
        for _ in range(SLUG_ATTEMPTS):
            if draft.place not in found and draft.place not in self._claimed:
                return
            draft.values["slug"] = mint_slug()
            found = load_by_place(self._database, [draft.place], lock=False)


def _place_before(row: Row) -> Place:
    return row["profile_id"], row["slug"]
