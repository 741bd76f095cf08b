"""Users of the admin API in tests: each has a browser, which keeps its cookie, and the clock stands still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
from argon2 import PasswordHasher
from falcon.testing import Result, TestClient

from admin_api.http import SESSION_COOKIE
from admin_api.people import Passwords
from admin_client import AdminClient, admin_client, connect

PASSWORD = "a long enough password"
OUR_ADDRESS = "192.0.2.1"
# As cheap as argon2 allows: these tests are about what is done with hashes.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Clock:
    """A moment that moves when a test says so."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


class Browser:
    """Requests from one address, with the cookie that was set last. It says of itself what browsers say."""

    def __init__(self, web: TestClient, address: str = OUR_ADDRESS) -> None:
        self.web = web
        self.address = address
        self.cookie = ""

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Result:
        """Send one request; header names are given with underscores, and an empty value leaves a header out."""
        usual = {"Sec-Fetch-Site": "same-origin", "Cookie": self.cookie, "If-Match": "" if method == "GET" else "*"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in (usual | given).items() if value}
        result = self.web.simulate_request(method, path, json=body, headers=sent, remote_addr=self.address)
        for value in result.headers.get("set-cookie", "").split(", "):
            if value.startswith(SESSION_COOKIE):
                self.cookie = value.partition(";")[0]
        return result

    def log_in(self, email: str, password: str = PASSWORD, **codes: str) -> Result:
        """Log in."""
        return self.request("POST", "/v1/session", {"email": email, "password": password, **codes})


class People:
    """An installation with its first token, and whoever was invited."""

    def __init__(self, admin: AdminClient, clock: Clock, database_url: str) -> None:
        self.admin = admin
        self.clock = clock
        self.database_url = database_url

    def browser(self, address: str = OUR_ADDRESS) -> Browser:
        """Return a browser that nobody is logged in with."""
        return Browser(self.admin.web, address)

    def invited(self, email: str, role: str = "owner", **fields: Any) -> dict[str, Any]:
        """Invite a user and return the answer."""
        return self.admin.created("users", **{"email": email, "name": email.partition("@")[0], "role": role} | fields)

    def user(self, email: str, role: str = "owner", **fields: Any) -> Browser:
        """Return the browser of a user who has accepted an invitation and logged in."""
        self.accepted(self.invited(email, role, **fields))
        browser = self.browser()
        result = browser.log_in(email)
        assert result.status_code == 200, result.text
        return browser

    def accepted(self, user: dict[str, Any], password: str = PASSWORD) -> None:
        """Use the link of an invitation."""
        body = {"token": token_of(user["invitation"]), "password": password}
        result = self.browser().request("POST", "/v1/one-time-links/use", body)
        assert result.status_code == 204, result.text

    def with_second_factor(self, browser: Browser) -> tuple[pyotp.TOTP, list[str]]:
        """Set up a second factor and return it, with the recovery codes. The code of this moment is used up."""
        made = browser.request("POST", "/v1/me/totp", {"password": PASSWORD})
        assert made.status_code == 200, made.text
        totp = pyotp.TOTP(made.json["secret"])
        codes = browser.request("POST", "/v1/me/totp/confirm", {"totp": totp.at(self.clock.now)})
        assert codes.status_code == 200, codes.text
        return totp, codes.json["recovery_codes"]


def token_of(link: dict[str, Any]) -> str:
    """Return the token of a one-time link."""
    return str(link["path"].rpartition("/")[2])


@contextmanager
def people_of(database_url: str, redis_url: str, **collaborators: Any) -> Iterator[People]:
    """Yield an installation. `collaborators` replace those of the app."""
    clock = Clock()
    given = {"passwords": Passwords(QUICK), "clock": clock} | collaborators
    with admin_client(database_url, redis_url, **given) as admin:
        yield People(admin, clock, database_url)


def count(database_url: str, query: str) -> int:
    """Return the number that a query of the database yields."""
    with closing(connect(database_url)) as database:
        row = database.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(next(iter(row.values())))
