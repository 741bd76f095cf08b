"""Outgoing postbacks through the admin API: what is refused, what is shown once, templates, secrets and tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from admin_api.runtime import Database
from admin_client import AdminClient
from config.postback_templates import postback_templates
from config.sealing import unseal
from hostile_urls import HOSTILE_TEMPLATES, HOSTILE_URLS
from tracking.outgoing import parse_networks
from tracking.runtime import SECRET_BYTES, decode_secret

URL = "https://partner.example/pb?c={external_id}&p={payout}"
PATH = "/v1/outgoing-postbacks"
PRIVATE_HOSTS = ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "2130706433", "0x7f.1", "0177.0.0.1")


def refused(admin: AdminClient, **body: Any) -> tuple[str, str]:
    result = admin.request("POST", PATH, {"name": "A partner", "url": URL} | body)
    assert result.status_code == 400, result.text
    return result.json["field"], result.json["code"]


def test_an_outgoing_postback_has_sensible_defaults_and_its_secret_is_shown_once(admin: AdminClient) -> None:
    made = admin.created("outgoing-postbacks", name="A partner", url=URL)
    assert len(decode_secret(made.pop("secret"))) == SECRET_BYTES
    assert (made["method"], made["events"], made["statuses"]) == ("GET", [], ["approved"])
    assert (made["state"], made["source_id"], made["amount_changes"]) == ("enabled", None, False)
    shown = admin.request("GET", f"{PATH}/{made['outgoing_postback_id']}")
    assert shown.json == made
    assert "secret" not in shown.text
    assert "whsec_" not in admin.request("GET", PATH).text


def test_it_says_where_it_is(admin: AdminClient) -> None:
    result = admin.request("POST", PATH, {"name": "A partner", "url": URL})
    location = result.headers["location"]
    assert location == f"{PATH}/{result.json['outgoing_postback_id']}"
    assert admin.request("GET", location).headers["etag"] == result.headers["etag"]


def test_no_hostile_url_is_accepted(admin: AdminClient) -> None:
    fields = {url: refused(admin, url=url)[0] for url in (*HOSTILE_URLS, *HOSTILE_TEMPLATES)}
    assert set(fields.values()) == {"url"}
    assert admin.request("GET", PATH).json["items"] == []


def test_a_private_host_is_refused_when_it_is_saved_and_when_it_is_changed(admin: AdminClient) -> None:
    made = admin.created("outgoing-postbacks", name="A partner", url=URL)
    for host in PRIVATE_HOSTS:
        assert refused(admin, url=f"http://{host}/") == ("url", "address-refused"), host
        changed = admin.request("PATCH", f"{PATH}/{made['outgoing_postback_id']}", {"url": f"http://{host}/"})
        assert (changed.status_code, changed.json["code"]) == (400, "address-refused"), host


def test_a_network_that_the_operator_allows_can_be_saved(database_url: str, admin: AdminClient) -> None:
    allowing = replace(admin.collaborators, outgoing_networks=parse_networks("10.0.0.0/8"))
    inside = AdminClient(allowing, admin.token)
    assert inside.created("outgoing-postbacks", name="Inside", url="http://10.0.0.1/")["url"] == "http://10.0.0.1/"
    assert refused(inside, url="http://127.0.0.1/") == ("url", "address-refused")


def test_a_wrong_field_is_named(admin: AdminClient) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": "x"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"method": "PUT"}, "method"),
        ({"events": "ftd"}, "events"),
        ({"events": ["no_such_event"]}, "events"),
        ({"statuses": ["paid"]}, "statuses[0]"),
        ({"statuses": [1]}, "statuses[0]"),
        ({"state": "suspended"}, "state"),
        ({"source_id": 99}, "source_id"),
        ({"template": "no-such"}, "template"),
        ({"secrets": ["x"]}, "secrets"),
        ({"amount_changes": 1}, "amount_changes"),
        ({"url": 7}, "url"),
        ({"template_values": {}}, "template_values"),
    ]
    assert [refused(admin, **body)[0] for body, _ in wrong] == [field for _, field in wrong]


def test_a_template_makes_the_url(admin: AdminClient) -> None:
    body = {"name": "Propeller", "template": "propellerads", "template_values": {"aid": "77", "tid": "8 8"}}
    made = admin.created("outgoing-postbacks", **body)
    assert made["url"].startswith("https://ad.propellerads.com/conversion.php?aid=77&pid=&tid=8%208&visitor_id=")
    assert made["template"] == "propellerads"
    missing = admin.request("POST", PATH, body | {"template_values": {"aid": "77"}})
    assert (missing.status_code, missing.json["field"]) == (400, "template_values")


def test_templates_are_listed_with_what_they_need_and_where_their_facts_stand(admin: AdminClient) -> None:
    items = admin.request("GET", "/v1/postback-templates").json["items"]
    assert [each["template"] for each in items] == list(postback_templates())
    (propeller,) = (each for each in items if each["template"] == "propellerads")
    assert propeller["account_values"] == ["aid", "tid"]
    assert propeller["source"]


def test_two_secrets_sign_and_a_third_replaces_the_oldest(admin: AdminClient, database: Database) -> None:
    made = admin.created("outgoing-postbacks", name="A partner", url=URL, method="POST")
    path = f"{PATH}/{made['outgoing_postback_id']}/secret"
    second, third = (admin.request("POST", path).json["secret"] for _ in range(2))
    row = database.execute("select secrets from outgoing_postbacks").fetchone()
    assert row is not None
    assert [unseal(each) for each in row["secrets"]] == [third, second]
    assert third not in str(row)
    assert admin.request("POST", f"{PATH}/99/secret").status_code == 404


def test_a_change_bumps_the_revision_and_an_old_one_is_refused(admin: AdminClient) -> None:
    made = admin.created("outgoing-postbacks", name="A partner", url=URL)
    path = f"{PATH}/{made['outgoing_postback_id']}"
    assert admin.request("PATCH", path, {"state": "disabled"}, If_Match='"1"').json["state"] == "disabled"
    assert admin.request("PATCH", path, {"state": "enabled"}, If_Match='"1"').status_code == 412


def test_the_test_button_plans_one_marked_delivery(admin: AdminClient) -> None:
    made = admin.created("outgoing-postbacks", name="A partner", url=URL, state="disabled")
    result = admin.request("POST", f"{PATH}/{made['outgoing_postback_id']}/test")
    assert result.status_code == 202
    shown = admin.request("GET", result.headers["location"]).json
    assert shown["delivery_id"] == result.json["delivery_id"]
    assert (shown["is_test"], shown["state"], shown["attempt_log"]) == (True, "pending", [])
    assert admin.request("POST", f"{PATH}/99/test").status_code == 404
    # A test does not keep it from being deleted; what was really reported does.
    assert admin.request("DELETE", f"{PATH}/{made['outgoing_postback_id']}").status_code == 204
