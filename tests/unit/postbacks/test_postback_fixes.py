"""Every reason has its fix, and the documentation has the same words."""

from __future__ import annotations

import re
from pathlib import Path

from tracking.conversions import PostbackReason
from tracking.postbacks import fix_of
from tracking.postbacks.fixes import FIXES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "event-log.md"


def test_every_reason_has_a_fix_that_is_a_sentence() -> None:
    assert set(FIXES) == set(PostbackReason)
    for fix in FIXES.values():
        assert fix[0].isupper()
        assert fix.endswith(".")
        assert "  " not in fix


def test_what_has_no_reason_needs_no_fix() -> None:
    assert fix_of(None) is None
    assert fix_of("unknown-click") == FIXES[PostbackReason.UNKNOWN_CLICK]


def test_the_documentation_has_every_fix_word_for_word() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    documented = {reason: fix.replace("`", "") for reason, fix in rows if reason in set(PostbackReason)}
    assert documented == {reason.value: fix.replace("`", "") for reason, fix in FIXES.items()}
