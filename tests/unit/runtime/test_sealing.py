"""Sealed secrets: read with the key that sealed them, whichever key seals now, and with no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.sealing import SealError, Seals

OLD, NEW = b"\x01" * 32, b"\x02" * 32


@given(st.text())
def test_what_was_sealed_is_unsealed(text: str) -> None:
    seals = Seals((OLD,))
    assert seals.unseal(seals.seal(text)) == text


def test_a_sealed_text_shows_neither_the_secret_nor_the_key_and_differs_each_time() -> None:
    seals = Seals((OLD,))
    sealed = seals.seal("whsec_secret")
    assert "secret" not in sealed
    assert OLD.hex() not in sealed
    assert seals.seal("whsec_secret") != sealed


def test_a_new_first_key_seals_and_the_old_one_still_unseals() -> None:
    sealed = Seals((OLD,)).seal("whsec_x")
    both = Seals((NEW, OLD))
    assert both.unseal(sealed) == "whsec_x"
    assert (both.is_newest(sealed), both.is_newest(both.seal("whsec_x"))) == (False, True)
    assert Seals((NEW,)).unseal(both.seal("whsec_x")) == "whsec_x"


def test_without_its_key_a_secret_is_refused_with_the_setting_to_mend() -> None:
    with pytest.raises(SealError, match="SECRETS_KEYS"):
        Seals((NEW,)).unseal(Seals((OLD,)).seal("whsec_x"))


@pytest.mark.parametrize("place", [0, 20, -3])
def test_a_changed_secret_is_refused(place: int) -> None:
    head, _, text = Seals((OLD,)).seal("whsec_x").rpartition(":")
    changed = list(text)
    changed[place] = "A" if changed[place] != "A" else "B"
    with pytest.raises(SealError, match="was changed"):
        Seals((OLD,)).unseal(f"{head}:{''.join(changed)}")


@pytest.mark.parametrize("end", ["", ":", ":abc", ":!!!"])
def test_half_of_a_sealed_text_is_refused(end: str) -> None:
    head = Seals((OLD,)).seal("whsec_x").rpartition(":")[0]
    with pytest.raises(SealError):
        Seals((OLD,)).unseal(f"{head}{end}")


def test_what_was_never_sealed_is_what_it_is() -> None:
    assert Seals((OLD,)).unseal("whsec_plain") == "whsec_plain"
