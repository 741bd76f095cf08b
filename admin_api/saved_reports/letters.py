"""The e-mail that carries a report: its subject, its text and its file. Pure.

SECURITY: names come from users, some of them partners. A header never has a line break, and a file's name only letters,
digits and dashes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr

# Seven bits and lines of 78 characters, so that every server takes it as it is.
_POLICY = SMTP.clone(cte_type="7bit", raise_on_defect=False)
_SUBJECT_CHARACTERS_MAX = 150
MEDIA_TYPES = {
    "csv": ("text", "csv"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """What an e-mail says. `question` is the one that was asked, with the days that its period stood for."""

    name: str
    question: Mapping[str, str]
    format: str
    recipients: Sequence[str]
    message_id: str
    due_at: datetime
    owner: str
    notes: Sequence[str] = ()


def mint_message_id(sender: str) -> str:
    """Return a Message-ID at the sender's domain."""
    return make_msgid("report", domain=parseaddr(sender)[1].rpartition("@")[2] or "waypost.invalid")


def file_name(name: str, question: Mapping[str, str], ending: str) -> str:
    """Return a harmless name of a report's file, such as `spring-sale-2026-11-24.csv`."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower())[:60].strip("-") or "report"
    return "-".join([words, *filter(None, [_day(question.get("from"))])]) + f".{ending}"


def write_letter(letter: Letter, sender: str, content: bytes) -> bytes:
    """Return the e-mail as it is handed over, in ASCII with CRLF."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = ", ".join(letter.recipients)
    message["Subject"] = _one_line(letter.name)[:_SUBJECT_CHARACTERS_MAX] or "Report"
    message["Date"] = format_datetime(letter.due_at)
    message["Message-ID"] = letter.message_id
    # So that nobody's absence is answered to it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_text(letter))
    main, sub = MEDIA_TYPES[letter.format]
    name = file_name(letter.name, letter.question, letter.format)
    charset = {"charset": "utf-8"} if main == "text" else {}
    message.add_attachment(content, maintype=main, subtype=sub, filename=name, params=charset)
    return message.as_bytes()


def _text(letter: Letter) -> str:
    asked = "\n".join(f"  {_one_line(name)}: {_one_line(value)}" for name, value in letter.question.items())
    notes = "\n".join(map(_one_line, letter.notes))
    return (
        f"The report “{_one_line(letter.name)}” is in the attached file.\n\nIt answers:\n{asked}\n\n{notes}\n\n"
        f"{_one_line(letter.owner)} scheduled it in Waypost, and can end or change that there.\n"
    )


def _one_line(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", " ", text).split())


def _day(text: str | None) -> str | None:
    return text if text is not None and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
