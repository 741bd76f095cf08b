"""Scheduled reports are sent once, with their owner's rights, and what goes wrong is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

import pytest

from admin_api.runtime import Actor, Database, standing
from admin_api.saved_reports.attempts import ATTEMPTS_MAX, PAUSES, Collaborators, attempt
from admin_api.saved_reports.mail_table import LEASE, claim_mail, plan_due
from admin_api.saved_reports.mailer import mail_round
from admin_api.saved_reports.smtp import SmtpServer
from admin_client import AdminClient
from config.settings import MailSettings
from mail_server import MailBox, mail_server
from tracking.rights import Right
from tracking.runtime import FieldError

SENDER = "Waypost <reports@example.com>"
QUESTION = {"group_by": "link", "period": "yesterday"}


@dataclass
class Renderer:
    """Writes the question as the file, and keeps for whom it did."""

    asked: list[tuple[dict[str, str], Actor, Any]] = field(default_factory=list)
    error: Exception | None = None

    def check(self, question: Mapping[str, str], now: datetime) -> None:
        """Accept every question."""

    def dated(self, question: Mapping[str, str], at: datetime) -> dict[str, str]:
        """Return the question with the moment."""
        return {**question, "at": at.isoformat()}

    def write(self, question: Mapping[str, str], viewer: Actor, at: datetime, kind: str, file: BinaryIO) -> list[str]:
        """Write the question."""
        if self.error is not None:
            raise self.error
        self.asked.append((dict(question), viewer, standing()))
        file.write(repr(sorted(question.items())).encode())
        return ["Amounts in USD are left out."]


@dataclass
class Post:
    """What the tests of the mailer work with."""

    admin: AdminClient
    database: Database
    box: MailBox
    renderer: Renderer
    parts: Collaborators
    now: datetime

    def schedule(self, name: str = "Spring", **fields: Any) -> dict[str, Any]:
        """Save a report and schedule it for every day at six; the next time is the next morning."""
        report = self.admin.created("saved-reports", name=name, question=QUESTION)
        given = {"every": "day", "recipients": ["ann@example.com", "bob@example.com"]} | fields
        made = self.admin.created("report-schedules", saved_report_id=report["saved_report_id"], **given)
        self.now = datetime.fromisoformat(made["next_at"])
        return made

    def run(self) -> None:
        """Do all that is due."""
        while mail_round(self.parts):
            pass

    def mails(self) -> list[dict[str, Any]]:
        """Return all mails as the API shows them, the newest first."""
        items: list[dict[str, Any]] = self.admin.request("GET", "/v1/report-mails").json["items"]
        return items


@pytest.fixture
def post(admin: AdminClient, database: Database) -> Iterator[Post]:
    with ExitStack() as stack:
        box = stack.enter_context(mail_server())
        renderer = Renderer()
        server = SmtpServer(MailSettings("127.0.0.1", box.port, "none", "", "", SENDER))
        made = Post(admin, database, box, renderer, None, datetime.now(UTC))  # type: ignore[arg-type]
        made.parts = Collaborators(admin.collaborators.pool, renderer, server, lambda: made.now)
        yield made


def test_a_schedule_sends_its_report_once_at_its_hour(post: Post) -> None:
    made = post.schedule(name="Größe \N{RIGHTWARDS ARROW} Übersicht")
    post.now -= timedelta(seconds=1)
    post.run()
    assert post.mails() == []
    post.now += timedelta(seconds=1)
    post.run()
    post.run()
    ((to, message),) = post.box.envelopes
    assert to == ["ann@example.com", "bob@example.com"]
    assert message["Subject"] == "Größe \N{RIGHTWARDS ARROW} Übersicht"
    assert (message["From"], message["Auto-Submitted"]) == (SENDER, "auto-generated")
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "gr-e-bersicht.csv"
    assert "yesterday" in attachment.get_content()
    body = message.get_body()
    assert body is not None
    assert "Amounts in USD are left out." in body.get_content()
    (mail,) = post.mails()
    assert (mail["state"], mail["accepted"], mail["attempts"], mail["doubts"]) == ("sent", to, 1, 0)
    assert mail["due_at"] == made["next_at"]
    later = post.admin.request("GET", f"/v1/report-schedules/{made['report_schedule_id']}").json
    assert datetime.fromisoformat(later["next_at"]) == post.now + timedelta(days=1)
    assert later["suspended_reason"] is None


def test_a_report_is_asked_in_the_role_of_its_owner(post: Post) -> None:
    post.schedule()
    source = post.admin.created("sources", name="A partner")
    user_id = _add_user(post.database, "pat@example.com", "partner", source["source_id"])
    post.database.execute(
        "update saved_reports set owner_user_id = %s, owner_token_id = null, source_id = %s",
        [user_id, source["source_id"]],
    )
    post.run()
    ((_, viewer, acted),) = post.renderer.asked
    assert (viewer.user_id, viewer.source_id) == (user_id, source["source_id"])
    assert (acted.role, acted.source_id) == ("waypost_partner", str(source["source_id"]))
    # After it, the thread is the admin again.
    assert standing().role == "waypost_admin"


def test_what_a_scoped_token_saved_is_limited_to_its_scopes(post: Post) -> None:
    post.schedule()
    post.database.execute("update api_tokens set scopes = '{reports:read,reports:write}' where name = 'test'")
    post.run()
    ((_, viewer, _),) = post.renderer.asked
    assert viewer.rights == {Right.REPORTS_READ, Right.REPORTS_WRITE}


@pytest.mark.parametrize("ends", ["user", "token", "right"])
def test_a_schedule_whose_owner_may_not_ask_is_suspended_and_says_so(post: Post, ends: str) -> None:
    made = post.schedule()
    if ends == "user":
        user_id = _add_user(post.database, "ann@example.com", "analyst", None)
        post.database.execute("update users set disabled_at = now()")
        post.database.execute("update saved_reports set owner_user_id = %s, owner_token_id = null", [user_id])
    elif ends == "right":
        post.database.execute("update api_tokens set scopes = '{traffic:read}' where name = 'test'")
    else:
        lost = post.database.execute(
            "insert into api_tokens (token_hash, name, revoked_at) values (repeat('0', 64), 'lost', now())"
            " returning token_id"
        ).fetchone()
        assert lost is not None
        post.database.execute("update saved_reports set owner_token_id = %s", [lost["token_id"]])
    post.run()
    assert (post.box.envelopes, post.renderer.asked) == ([], [])
    row = post.database.execute("select active, suspended_reason from report_schedules").fetchone()
    assert row is not None
    assert row["active"]
    assert row["suspended_reason"]
    mail = post.database.execute("select state, last_error from report_mails").fetchone()
    assert mail == {"state": "failed", "last_error": row["suspended_reason"]}
    issue = post.database.execute("select kind, detail from issues").fetchone()
    assert issue is not None
    assert (issue["kind"], issue["detail"]["error"]) == ("report-not-sent", row["suspended_reason"])
    # It is not due any more, until somebody switches it on again.
    post.now += timedelta(days=2)
    post.run()
    assert len(post.database.execute("select from report_mails").fetchall()) == 1
    post.database.execute("update api_tokens set scopes = null")
    post.database.execute(
        "update saved_reports set owner_user_id = null,"
        " owner_token_id = (select token_id from api_tokens where name = 'test')"
    )
    again = post.admin.request("PATCH", f"/v1/report-schedules/{made['report_schedule_id']}", {"active": True}).json
    assert again["suspended_reason"] is None


def test_a_server_that_is_away_is_tried_later_and_then_given_up_with_an_issue(post: Post) -> None:
    post.schedule()
    post.parts = Collaborators(post.parts.pool, post.renderer, SmtpServer(_nowhere()), lambda: post.now)
    for number, pause in enumerate(PAUSES, 1):
        post.run()
        (mail,) = post.mails()
        assert (mail["state"], mail["attempts"], mail["doubts"]) == ("waiting", number, 0)
        assert "cannot be used" in mail["last_error"]
        issues = post.admin.request("GET", "/v1/issues?kind=report-not-sent").json["items"]
        assert bool(issues) is (number >= 3)
        post.now += pause
        post.database.execute("update report_schedules set next_at = %s", [post.now + timedelta(days=9)])
    post.run()
    assert post.mails()[0]["state"] == "failed"
    assert post.mails()[0]["attempts"] == ATTEMPTS_MAX


def test_only_those_who_may_be_accepted_later_get_it_later(post: Post) -> None:
    post.schedule()
    post.box.answers = {"bob@example.com": "452 mailbox full"}
    post.run()
    (mail,) = post.mails()
    assert (mail["state"], mail["accepted"], mail["recipients"]) == (
        "waiting",
        ["ann@example.com"],
        ["bob@example.com"],
    )
    post.box.answers = {}
    post.now += PAUSES[0]
    post.run()
    (mail,) = post.mails()
    assert (mail["state"], mail["accepted"]) == ("sent", ["ann@example.com", "bob@example.com"])
    assert [to for to, _ in post.box.envelopes] == [["ann@example.com"], ["bob@example.com"]]


def test_a_recipient_who_is_refused_for_good_is_told_in_an_issue(post: Post) -> None:
    post.schedule()
    post.box.answers = {"bob@example.com": "550 no such user"}
    post.run()
    (mail,) = post.mails()
    assert (mail["state"], mail["refused"]) == ("sent", {"bob@example.com": "550 no such user"})
    (issue,) = post.admin.request("GET", "/v1/issues?kind=report-not-sent").json["items"]
    assert "no such user" in issue["detail"]["error"]


def test_a_question_that_is_refused_is_not_tried_again(post: Post) -> None:
    post.schedule()
    post.renderer.error = FieldError("group_by", "group_by must have dimensions that exist")
    post.run()
    assert [(mail["state"], mail["last_error"]) for mail in post.mails()] == [
        ("failed", "group_by must have dimensions that exist")
    ]


def test_a_kill_before_the_message_is_sent_loses_nothing(post: Post) -> None:
    post.schedule()
    post.renderer.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        post.run()
    assert post.mails()[0]["state"] == "preparing"
    post.renderer.error = None
    post.run()
    assert post.box.envelopes == []
    post.now += LEASE
    post.run()
    (mail,) = post.mails()
    assert (mail["state"], mail["attempts"], mail["doubts"]) == ("sent", 2, 0)
    assert len(post.box.envelopes) == 1


def test_a_kill_while_the_message_is_sent_leaves_a_trace_and_one_message_id(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.schedule()
    hand_over = SmtpServer.hand_over

    def killed(*arguments: Any) -> Any:
        hand_over(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(SmtpServer, "hand_over", killed)
    with pytest.raises(KeyboardInterrupt):
        post.run()
    assert post.mails()[0]["state"] == "handing_over"
    monkeypatch.setattr(SmtpServer, "hand_over", hand_over)
    post.now += LEASE
    post.run()
    (mail,) = post.mails()
    assert (mail["state"], mail["attempts"], mail["doubts"]) == ("sent", 2, 1)
    first, second = (message["Message-ID"] for _, message in post.box.envelopes)
    assert first == second


def test_an_answer_that_never_comes_is_counted_as_a_doubt(post: Post) -> None:
    post.schedule()
    post.box.drop_connection = True
    post.run()
    (mail,) = post.mails()
    assert (mail["state"], mail["doubts"]) == ("waiting", 1)


def test_a_process_that_was_slow_does_not_send_what_another_one_took_over(post: Post) -> None:
    post.schedule()
    with post.parts.pool.connection() as database:
        plan_due(database, post.now, lambda: "<a@example.com>")
        slow = claim_mail(database, post.now)
        assert claim_mail(database, post.now) is None
        other = claim_mail(database, post.now + LEASE)
    assert slow is not None
    assert other is not None
    attempt(post.parts, slow)
    assert post.box.envelopes == []
    attempt(post.parts, other)
    assert len(post.box.envelopes) == 1


def test_what_was_missed_for_days_is_made_up_for_by_one_mail(post: Post) -> None:
    post.schedule()
    post.now += timedelta(days=5, hours=3)
    post.run()
    (mail,) = post.mails()
    assert datetime.fromisoformat(mail["due_at"]) == post.now - timedelta(hours=3)


def test_a_name_that_would_add_headers_is_one_subject(post: Post) -> None:
    post.schedule()
    post.database.execute("update saved_reports set name = E'x\\r\\nBcc: victim@example.com\\r\\n\\r\\nbody'")
    post.run()
    ((to, message),) = post.box.envelopes
    assert to == ["ann@example.com", "bob@example.com"]
    assert message["Subject"] == "x Bcc: victim@example.com body"
    assert message["Bcc"] is None


def _nowhere() -> MailSettings:
    with mail_server() as gone:
        return MailSettings("127.0.0.1", gone.port, "none", "", "", SENDER)


def _add_user(database: Database, email: str, role: str, source_id: int | None) -> int:
    row = database.execute(
        "insert into users (email, name, role, source_id) values (%s, 'Somebody', %s, %s) returning user_id",
        [email, role, source_id],
    ).fetchone()
    assert row is not None
    return int(row["user_id"])
