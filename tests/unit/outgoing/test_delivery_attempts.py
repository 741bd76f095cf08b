"""One attempt: what is sent, and what an answer or its absence means."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from config.connections import OutgoingError
from config.settings import OutgoingSettings
from tracking.outgoing import AttemptError, sample_facts
from worker.outgoing.attempts import ClaimedDelivery, attempt
from worker.outgoing.client import Request, Response

NOW_S = 1_777_000_000.0
CLAIMED = ClaimedDelivery(
    delivery_id=UUID("0195d3a0-0000-7000-8000-000000000001"),
    attempt=3,
    tries=1,
    facts=sample_facts(),
    is_test=False,
    outgoing_postback_id=1,
    origin="https://p.example",
    method="GET",
    url="https://p.example/?c={click_id}",
    secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
)


class Answering:
    """A client whose partner answers the same to everything; `sent` is what it was asked."""

    def __init__(self, status: int = 200, error: OutgoingError | None = None, **headers: str) -> None:
        self.settings = OutgoingSettings()
        self.sent: list[Request] = []
        self._outcome = error or Response("192.0.2.1", status, headers, "")

    def send(self, request: Request) -> Response:
        """Answer, or fail."""
        self.sent.append(request)
        if isinstance(self._outcome, OutgoingError):
            raise self._outcome
        return self._outcome


@pytest.mark.parametrize(
    ("status", "error", "is_healthy"),
    [
        (200, None, True),
        (204, None, True),
        (299, None, True),
        (301, AttemptError.REDIRECTED, True),
        (307, AttemptError.REDIRECTED, True),
        (400, AttemptError.STATUS, True),
        (404, AttemptError.STATUS, True),
        (408, AttemptError.STATUS, False),
        (410, AttemptError.GONE, True),
        (429, AttemptError.STATUS, False),
        (500, AttemptError.STATUS, False),
        (503, AttemptError.STATUS, False),
        (102, AttemptError.STATUS, True),
        (600, AttemptError.STATUS, False),
    ],
)
def test_only_2xx_is_success(status: int, error: AttemptError | None, is_healthy: bool) -> None:
    ended = attempt(CLAIMED, Answering(status), NOW_S)
    assert (ended.error, ended.is_healthy) == (error, is_healthy)
    assert ended.address == "192.0.2.1"


@pytest.mark.parametrize("kind", [AttemptError.TIMED_OUT, AttemptError.CONNECT_FAILED, AttemptError.ADDRESS_REFUSED])
def test_no_answer_is_trouble(kind: AttemptError) -> None:
    ended = attempt(CLAIMED, Answering(error=OutgoingError(kind, "why", "192.0.2.9")), NOW_S)
    assert (ended.error, ended.detail, ended.address, ended.is_healthy) == (kind, "why", "192.0.2.9", False)


def test_retry_after_as_a_date_is_measured_from_now() -> None:
    ended = attempt(CLAIMED, Answering(503, **{"Retry-After": "Fri, 24 Apr 2026 03:07:40 GMT"}), NOW_S)
    assert ended.retry_after_s == 60.0


def test_a_get_carries_its_id_and_no_signature_and_a_test_is_marked() -> None:
    client = Answering()
    attempt(CLAIMED, client, NOW_S)
    attempt(CLAIMED._replace(is_test=True), client, NOW_S)
    plain, test = client.sent
    assert (plain.method, plain.url, plain.body) == ("GET", "https://p.example/?c=test-click-id", b"")
    assert plain.headers["webhook-id"] == str(CLAIMED.delivery_id)
    assert not {"webhook-signature", "waypost-test"} & set(plain.headers)
    assert test.headers["waypost-test"] == "true"


def test_each_attempt_of_a_post_says_the_same_and_is_signed_at_its_own_time() -> None:
    client = Answering()
    for now_s in (NOW_S, NOW_S + 300):
        attempt(CLAIMED._replace(method="POST"), client, now_s)
    first, second = client.sent
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://{sub1}.example/", "http://127.0.0.1/", "http://0x7f.1/{x}"]
)
def test_a_url_that_may_not_be_called_is_not_sent(url: str) -> None:
    client = Answering()
    ended = attempt(CLAIMED._replace(url=url), client, NOW_S)
    assert (ended.error, ended.request, client.sent) == (AttemptError.BAD_URL, None, [])


def test_facts_of_an_older_release_are_sent_as_far_as_they_go() -> None:
    client = Answering()
    facts: dict[str, Any] = {"status": "approved"}
    attempt(CLAIMED._replace(facts=facts, method="POST", url="https://p.example/?a={sub1}&b={own}"), client, NOW_S)
    assert client.sent[0].url == "https://p.example/?a=&b="
