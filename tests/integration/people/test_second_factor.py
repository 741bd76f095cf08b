"""The second factor: set up, asked for, never taken twice, and recovered from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from falcon.testing import Result

from admin_api.runtime import Database
from documented import assert_as_documented
from people import PASSWORD, People

EMAIL = "ada@example.com"


def test_a_second_factor_counts_once_a_code_has_confirmed_it(people: People, database: Database) -> None:
    browser = people.user(EMAIL)
    made = browser.request("POST", "/v1/me/totp", {"password": PASSWORD})
    assert_as_documented(people.admin, "POST /v1/me/totp", made)
    assert people.browser().log_in(EMAIL).status_code == 200
    stored = database.execute("select totp_secret from users").fetchone()
    assert stored is not None
    assert stored["totp_secret"].startswith("sealed:")
    assert made.json["secret"] not in stored["totp_secret"]

    totp, codes = people.with_second_factor(browser)
    assert len(set(codes)) == 10
    me = browser.request("GET", "/v1/me").json
    assert (me["second_factor"], me["recovery_codes"]) == (True, 10)
    asked = people.browser().log_in(EMAIL)
    assert (asked.status_code, asked.json["code"]) == (401, "code-required")
    people.clock.move(30)
    assert people.browser().log_in(EMAIL, totp=totp.at(people.clock.now)).status_code == 200


def test_a_wrong_code_confirms_nothing(people: People) -> None:
    browser = people.user(EMAIL)
    nothing = browser.request("POST", "/v1/me/totp/confirm", {"totp": "123456"})
    assert (nothing.status_code, nothing.json["code"]) == (409, "no-second-factor")
    browser.request("POST", "/v1/me/totp", {"password": PASSWORD})
    wrong = browser.request("POST", "/v1/me/totp/confirm", {"totp": "000000"})
    assert (wrong.status_code, wrong.json["code"]) == (401, "bad-login")
    assert people.browser().log_in(EMAIL).status_code == 200


def test_setting_up_takes_the_password_and_no_factor_that_counts(people: People) -> None:
    browser = people.user(EMAIL)
    assert browser.request("POST", "/v1/me/totp", {"password": "not the password"}).status_code == 401
    totp, _ = people.with_second_factor(browser)
    people.clock.move(30)
    again = browser.request("POST", "/v1/me/totp", {"password": PASSWORD, "totp": totp.at(people.clock.now)})
    assert (again.status_code, again.json["code"]) == (409, "has-second-factor")


@pytest.mark.parametrize(("off", "status"), [(-60, 401), (-30, 200), (0, 200), (30, 200), (60, 401)])
def test_a_device_whose_clock_is_half_a_minute_off_still_gets_in(people: People, off: int, status: int) -> None:
    totp, _ = people.with_second_factor(people.user(EMAIL))
    people.clock.move(300)
    code = totp.at(int(people.clock.now.timestamp()) + off)
    assert people.browser().log_in(EMAIL, totp=code).status_code == status


def test_a_code_is_not_taken_twice_nor_one_from_before_it(people: People) -> None:
    totp, _ = people.with_second_factor(people.user(EMAIL))
    people.clock.move(300)
    now = int(people.clock.now.timestamp())
    assert people.browser().log_in(EMAIL, totp=totp.at(now)).status_code == 200
    for code in (totp.at(now), totp.at(now - 30)):
        assert people.browser().log_in(EMAIL, totp=code).json["code"] == "bad-login"


def at_once(people: People, times: int, **codes: str) -> list[Result]:
    with ThreadPoolExecutor(times) as threads:
        asked = [threads.submit(people.browser().log_in, EMAIL, **codes) for _ in range(times)]
        return [each.result() for each in asked]


def test_of_two_who_come_with_one_code_at_the_same_time_one_gets_in(people: People) -> None:
    totp, codes = people.with_second_factor(people.user(EMAIL))
    people.clock.move(300)
    for given in ({"totp": totp.at(people.clock.now)}, {"recovery_code": codes[0]}, {"recovery_code": codes[1]}):
        assert sorted(each.status_code for each in at_once(people, 3, **given)) == [200, 401, 401]


def test_a_recovery_code_works_once_however_it_is_typed(people: People) -> None:
    browser = people.user(EMAIL)
    _, codes = people.with_second_factor(browser)
    typed = codes[3].replace("-", " ").upper()
    assert people.browser().log_in(EMAIL, recovery_code=typed).status_code == 200
    assert people.browser().log_in(EMAIL, recovery_code=codes[3]).status_code == 401
    assert browser.request("GET", "/v1/me").json["recovery_codes"] == 9


def test_new_recovery_codes_replace_the_old_ones(people: People) -> None:
    browser = people.user(EMAIL)
    none = browser.request("POST", "/v1/me/recovery-codes", {"password": PASSWORD})
    assert (none.status_code, none.json["code"]) == (409, "no-second-factor")
    _, codes = people.with_second_factor(browser)
    body = {"password": PASSWORD, "recovery_code": codes[0]}
    made = browser.request("POST", "/v1/me/recovery-codes", body)
    assert_as_documented(people.admin, "POST /v1/me/recovery-codes", made)
    assert people.browser().log_in(EMAIL, recovery_code=codes[1]).status_code == 401
    assert people.browser().log_in(EMAIL, recovery_code=made.json["recovery_codes"][1]).status_code == 200


def test_giving_the_factor_up_takes_password_and_code(people: People) -> None:
    browser = people.user(EMAIL)
    _, codes = people.with_second_factor(browser)
    assert browser.request("POST", "/v1/me/totp/remove", {"password": PASSWORD}).json["code"] == "code-required"
    body = {"password": PASSWORD, "recovery_code": codes[0]}
    assert browser.request("POST", "/v1/me/totp/remove", body).status_code == 204
    assert people.browser().log_in(EMAIL).status_code == 200
    me = browser.request("GET", "/v1/me").json
    assert (me["second_factor"], me["recovery_codes"]) == (False, 0)


def test_an_owner_takes_a_lost_factor_away_and_its_sessions_end(people: People) -> None:
    browser = people.user(EMAIL, "analyst")
    people.with_second_factor(browser)
    user_id = browser.request("GET", "/v1/me").json["user_id"]
    result = people.admin.request("POST", f"/v1/users/{user_id}/remove-totp")
    assert (result.status_code, result.json["second_factor"]) == (200, False)
    assert browser.request("GET", "/v1/me").status_code == 401
    assert people.browser().log_in(EMAIL).status_code == 200
