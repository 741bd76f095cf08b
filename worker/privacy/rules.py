"""What a batch of clicks must know before its rows are made: how each profile stores addresses, and whom was erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from tracking.privacy import AddressStorage, SubjectKind, subject_hash
from worker.runtime import Connection, RetryableError

# An arbitrary number that no other advisory lock uses.
ERASURE_LOCK = 7_761_020
_STORAGES = "select profile_id, address_storage from profiles"
_TOMBSTONES = (
    "select subject_kind, subject_hash, requested_at, sub_ids from erasures where not dry and recognised_until > now()"
)
_NEWEST = "select coalesce(max(erasure_id), 0) from erasures where not dry"
_SHARE = "select pg_advisory_xact_lock_shared(%s)"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An erasure of a click id or an address. It is about clicks of before Unix milliseconds `before_ms`.

    `sub_ids` says whether these are erased too.
    """

    kind: SubjectKind
    subject: bytes
    before_ms: int
    sub_ids: bool


@dataclass(frozen=True, slots=True)
class PrivacyRules:
    """The rules of one moment. `newest_erasure` is the id of the last erasure that they know, 0 for none."""

    storages: Mapping[int, AddressStorage]
    tombstones: Sequence[Tombstone] = ()
    newest_erasure: int = 0
    click_id_keys: Sequence[bytes] = ()

    @property
    def erased_before_ms(self) -> int:
        """Clicks of this moment or later are of no erasure."""
        return max((tombstone.before_ms for tombstone in self.tombstones), default=0)

    def tombstones_of(self, click_id: str, address: str, at_ms: int) -> list[Tombstone]:
        """Return the erasures that a click is of. `address` is as the record has it."""
        if at_ms >= self.erased_before_ms:
            return []
        hashes = {
            (kind, subject_hash(kind, subject, key))
            for kind, subject in ((SubjectKind.CLICK, click_id), (SubjectKind.ADDRESS, _canonical(address)))
            for key in self.click_id_keys
        }
        return [each for each in self.tombstones if (each.kind, each.subject) in hashes and at_ms < each.before_ms]


def load_privacy_rules(connection: Connection, click_id_keys: Sequence[bytes]) -> PrivacyRules:
    """Return the rules as they are now."""
    newest = connection.execute(_NEWEST).fetchone()
    tombstones = [
        Tombstone(SubjectKind(kind), bytes(subject), moment_ms(requested_at), sub_ids)
        for kind, subject, requested_at, sub_ids in connection.execute(_TOMBSTONES)
    ]
    storages = {profile_id: AddressStorage(storage) for profile_id, storage in connection.execute(_STORAGES)}
    return PrivacyRules(storages, tombstones, newest[0] if newest else 0, click_id_keys)


def check_no_newer_erasure(connection: Connection, rules: PrivacyRules) -> None:
    """Raise RetryableError if an erasure was asked for since the rules were loaded; else keep it from beginning.

    RACE: an erasure begins when every transaction has ended that called this before the erasure was there. So a row is
    either stored by rules that know the erasure, or committed before the erasure looks for it.
    """
    connection.execute(_SHARE, [ERASURE_LOCK])
    row = connection.execute(_NEWEST).fetchone()
    if row is not None and row[0] > rules.newest_erasure:
        raise RetryableError("an erasure began while the batch was being made; it comes again")


def _canonical(address: str) -> str:
    try:
        return str(ip_address(address.partition("%")[0]))
    except ValueError:
        return address


def moment_ms(moment: datetime) -> int:
    """Return Unix milliseconds."""
    return int(moment.astimezone(UTC).timestamp() * 1000)
