"""Looks at the certificates of all tracking domains now and then, in a thread of its own; no request waits for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Event, Thread

from admin_api.domain_check import DomainChecker
from admin_api.runtime import Pool

INTERVAL_S = 3600.0
# After a round that could not be done at all.
_RETRY_S = 60.0
_DOMAINS_MAX = 1000
_DOMAINS = "select domain from profiles where active order by profile_id limit %s"
_log = logging.getLogger(__name__)


class CertificateWatch:
    """For how many days each certificate is valid, as of the last round. The first read begins the rounds."""

    def __init__(self, pool: Pool, checker: DomainChecker, wait: Callable[[float], bool] | None = None) -> None:
        self._pool = pool
        self._checker = checker
        self._stopping = Event()
        self._wait = wait or self._stopping.wait
        self._days: Mapping[str, float | None] | None = None
        self._thread: Thread | None = None

    def days(self) -> Mapping[str, float | None] | None:
        """Return the days left by domain, None where no certificate answers; None until the first round is done."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="certificates", daemon=True)
            self._thread.start()
        return self._days

    def look(self) -> None:
        """Look at all domains once."""
        with self._pool.connection() as database:
            domains = [row["domain"] for row in database.execute(_DOMAINS, [_DOMAINS_MAX])]
        self._days = {domain: self._days_left(domain) for domain in domains}

    def _run(self) -> None:
        while True:
            pause_s = INTERVAL_S
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the loop's boundary
                _log.warning("certificates are not checked: %s", str(error).partition("\n")[0])
                pause_s = _RETRY_S
            if self._wait(pause_s):
                return

    def _days_left(self, domain: str) -> float | None:
        certificate = self._checker.check(domain).certificate
        if certificate is None:
            return None
        return round((certificate.expires_at - datetime.now(UTC)).total_seconds() / 86_400, 1)
