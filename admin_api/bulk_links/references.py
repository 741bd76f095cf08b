"""Finds what rows refer to by name or number: profiles, merchants, sources and plans, for many rows at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString, NamedTuple

from admin_api.configuration import LINKS
from admin_api.runtime import Database, Row
from tracking.runtime import FieldError


class _Kind(NamedTuple):
    by_name: LiteralString
    by_id: LiteralString
    where: str


_KINDS: Mapping[str, _Kind] = {
    "profile": _Kind(
        "select *, profile_id as id, domain as name from profiles where domain = any(%s) and archived_at is null",
        "select *, profile_id as id, domain as name from profiles where profile_id = any(%s) and archived_at is null",
        "/v1/profiles",
    ),
    "merchant": _Kind(
        "select merchant_id as id, name from merchants where name = any(%s) and archived_at is null",
        "select merchant_id as id, name from merchants where merchant_id = any(%s) and archived_at is null",
        "/v1/merchants",
    ),
    "source": _Kind(
        "select source_id as id, name from sources where name = any(%s) and archived_at is null",
        "select source_id as id, name from sources where source_id = any(%s) and archived_at is null",
        "/v1/sources",
    ),
    "plan": _Kind(
        "select plan_id as id, name from commission_plans where name = any(%s) and archived_at is null",
        "select plan_id as id, name from commission_plans where plan_id = any(%s) and archived_at is null",
        "/v1/commission-plans",
    ),
}


class References:
    """What was found so far. Each name and number is looked up once."""

    def __init__(self, database: Database, merchants: Mapping[str, int]) -> None:
        self._database = database
        self._merchants = merchants
        self._by_name: dict[str, dict[str, list[int]]] = {kind: {} for kind in _KINDS}
        self._by_id: dict[str, dict[int, Row | None]] = {kind: {} for kind in _KINDS}

    def load(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Look up what some rows refer to."""
        rows = list(rows)
        for kind, queries in _KINDS.items():
            names = {row[kind] for row in rows if isinstance(row.get(kind), str)} - self._by_name[kind].keys()
            if names:
                found = self._database.execute(queries.by_name, [list(map(_storable, names))]).fetchall()
                self._by_name[kind].update({name: [] for name in names})
                for row in found:
                    self._by_name[kind][row["name"]].append(row["id"])
                    self._by_id[kind][row["id"]] = row
            ids = {row[f"{kind}_id"] for row in rows if type(row.get(f"{kind}_id")) is int}
            ids |= set(self._merchants.values()) if kind == "merchant" else set()
            ids = {each for each in ids if 0 < each < 2**63} - self._by_id[kind].keys()
            if ids:
                self._by_id[kind].update(dict.fromkeys(ids))
                for row in self._database.execute(queries.by_id, [list(ids)]):
                    self._by_id[kind][row["id"]] = row

    def number(self, kind: str, name: str) -> int:
        """Return the number of what a name stands for. Raises FieldError."""
        if kind == "merchant" and name in self._merchants:
            return self._merchants[name]
        found = self._by_name[kind].get(name, [])
        where = _KINDS[kind].where
        if not found:
            hint = ", or say in `merchants` which one it is" if kind == "merchant" else ""
            raise FieldError(kind, f"there is no {kind} {name[:80]!r}; create it at {where}{hint}", code="not-found")
        if len(found) > 1:
            numbers = ", ".join(map(str, sorted(found)[:10]))
            raise FieldError(kind, f"several have the name {name[:80]!r}; give {kind}_id: {numbers}", code="ambiguous")
        return found[0]

    def require(self, kind: str, number: int | None) -> None:
        """Raise FieldError if there is no object with a number. None stands for none."""
        if number is not None and self._by_id[kind].get(number) is None:
            where = _KINDS[kind].where
            raise FieldError(
                f"{kind}_id",
                f"{kind}_id names a {kind} that does not exist or is archived; see {where}",
                code="not-found",
            )

    def require_raw(self, values: Mapping[str, Any]) -> None:
        """Raise FieldError if a link takes its URL from a parameter and its profile does not allow that."""
        if values["destination_url"].startswith("{"):
            profile = self.profile(values["profile_id"])
            if profile is None or profile["fallback_url"] is None or not profile["redirect_hosts"]:
                refusal = LINKS.conflicts["links_raw_destination"]
                raise refusal()

    def profile(self, profile_id: int | None) -> Row | None:
        """Return a profile that some rows refer to."""
        return None if profile_id is None else self._by_id["profile"].get(profile_id)


def _storable(name: str) -> str:
    """Return a name without what PostgreSQL has no text for; no stored name has it."""
    return name.replace("\x00", "\ufffd").encode(errors="replace").decode()
