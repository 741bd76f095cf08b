"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

import pyotp

from admin_api.runtime import Database, Row
from config.sealing import seal, unseal

STEP_S = 30
# A clock that is one step off is believed.
STEPS_OFF = (0, -1, 1)
ISSUER = "Waypost"
RECOVERY_CODES = 10
# Letters that are not mistaken for each other: 16 of them are 79 bits, which nobody guesses from their hash.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_CODE_LETTERS = 16


def make_secret() -> str:
    """Return a new secret for an authenticator app, in base32."""
    return pyotp.random_base32()


def otpauth_uri(secret: str, email: str) -> str:
    """Return the URI that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the step of 30 s that a code belongs to, if it is now or next to now."""
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_S
    for off in STEPS_OFF:
        if hmac.compare_digest(totp.at((current + off) * STEP_S), code):
            return current + off
    return None


def take_totp(database: Database, user: Row, code: str, now: datetime) -> bool:
    """Use a code of a user's app up. False for a wrong one, and for one of a step that was used before.

    RACE: of two that come with the same code, the second finds the step taken once the first has committed.
    """
    step = step_of(unseal(user["totp_secret"]), code, now)
    if step is None:
        return False
    taken = database.execute(
        "update users set totp_last_step = %s where user_id = %s and coalesce(totp_last_step, -1) < %s",
        [step, user["user_id"], step],
    )
    return taken.rowcount == 1


def begin_enrolment(database: Database, user_id: int, secret: str) -> None:
    """Store a secret that does not count yet. A secret that counts stays until it is removed."""
    database.execute(
        "update users set totp_secret = %s, totp_last_step = null where user_id = %s and totp_confirmed_at is null",
        [seal(secret), user_id],
    )


def remove_factor(database: Database, user_id: int) -> None:
    """Take the second factor from a user, and its recovery codes."""
    database.execute(
        "update users set totp_secret = null, totp_confirmed_at = null, totp_last_step = null where user_id = %s",
        [user_id],
    )
    database.execute("delete from recovery_codes where user_id = %s", [user_id])


def renew_recovery_codes(database: Database, user_id: int, choose: Callable[[str], str] = secrets.choice) -> list[str]:
    """Give a user new recovery codes instead of all old ones, and return them: they are stored hashed."""
    codes = ["".join(choose(_LETTERS) for _ in range(_CODE_LETTERS)) for _ in range(RECOVERY_CODES)]
    database.execute("delete from recovery_codes where user_id = %s", [user_id])
    with database.cursor() as cursor:
        cursor.executemany(
            "insert into recovery_codes (user_id, code_hash) values (%s, %s)",
            [(user_id, hash_code(code)) for code in codes],
        )
    return ["-".join(code[at : at + 4] for at in range(0, _CODE_LETTERS, 4)) for code in codes]


def take_recovery_code(database: Database, user_id: int, code: str) -> bool:
    """Use a recovery code up. RACE: it is deleted, so of two that come with it at the same time, one gets in."""
    taken = database.execute(
        "delete from recovery_codes where user_id = %s and code_hash = %s", [user_id, hash_code(code)]
    )
    return taken.rowcount == 1


def hash_code(code: str) -> str:
    """Return what is stored of a recovery code, however it was typed."""
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return sha256(plain.encode()).hexdigest()
