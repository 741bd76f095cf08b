"""What is stored of visitors' addresses, as the setting of each profile says: in `ip`, and in texts that repeat it.

A destination with {ip} has the address in `location`, and a source may send it in the query or in the URL before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracking.privacy import AddressStorage, stored_address, without_address
from tracking.spool import Click
from worker.clicks.copy_text import NULL

Storages = Mapping[int, AddressStorage]
_PROFILE_ID = 1 + Click._fields.index("profile_id")
_IP = 1 + Click._fields.index("ip")
# What may repeat an address. The query comes before what is made of it: parameters, sub ids and the like.
_TEXTS = tuple(1 + Click._fields.index(name) for name in ("query", "referrer", "location"))
_WHOLE = frozenset({AddressStorage.WHOLE})


def storage_of(profile_id: int, storages: Storages | None) -> AddressStorage:
    """Return how a profile stores addresses. One that is gone has them truncated."""
    if storages is None:
        return AddressStorage.WHOLE
    return storages.get(profile_id, AddressStorage.TRUNCATED)


def kept_address(address: str, storage: AddressStorage) -> str:
    """Return the column `ip` as COPY has it, from the whole address as COPY has it."""
    return NULL if address == NULL else stored_address(address, storage) or NULL


def kept_record(values: Sequence[Any], storages: Storages | None) -> list[Any]:
    """Return a record's version and fields without the address in texts that repeat it."""
    storage = storage_of(values[_PROFILE_ID], storages)
    kept = list(values)
    for index in _TEXTS:
        kept[index] = without_address(values[index], values[_IP], storage)
    return kept


def kept_columns(
    columns: Sequence[Sequence[Any]], addresses: Sequence[str], storages: Storages | None
) -> tuple[Sequence[Sequence[Any]], Sequence[str]]:
    """Return the columns of records without addresses in texts, and the column `ip`, from the whole `addresses`."""
    used = [storage_of(profile_id, storages) for profile_id in columns[_PROFILE_ID]]
    if set(used) == _WHOLE:
        return columns, addresses
    ips = columns[_IP]
    kept = list(columns)
    for index in _TEXTS:
        # PERF: hardly any text has the address, and IPv4 is found as it is written.
        kept[index] = [
            text if ip not in text and ":" not in ip else without_address(text, ip, storage)
            for text, ip, storage in zip(columns[index], ips, used, strict=True)
        ]
    return kept, list(map(kept_address, addresses, used))
