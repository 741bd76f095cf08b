"""Reading postbacks: what is understood, what is mended and said so, and what is refused rather than guessed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.clicks import PARAMETERS_MAX, ClickIdMint, ProcessIdentity, encode_dyn
from tracking.conversions import Event
from tracking.postbacks import AccountRules, account_rules, parse_fields, parse_parameters
from tracking.postbacks.parsing import PostbackError
from tracking.runtime import FieldError

KEY = b"k" * 16
_MINT = ClickIdMint([KEY], ProcessIdentity(1, 2, 3), lambda: 1_789_000_000_000_000_000)
ONE, OTHER = _MINT.mint()[0], _MINT.mint()[0]
DYN, OTHER_DYN = encode_dyn("DP", ONE), encode_dyn("ABC", OTHER)
FORGED = "01a2024d-d684-7375-8000-040000278b1b"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def read(query: str, rules: AccountRules | None = None) -> dict[str, Any]:
    """Read a query string, in which {1}, {2}, {d} and {D} stand for two clicks and their dynamic variables."""
    for name, value in (("{1}", ONE), ("{2}", OTHER), ("{d}", DYN), ("{D}", OTHER_DYN)):
        query = query.replace(name, value)
    return parse_fields(parse_parameters(query, "", b""), [KEY], rules or AccountRules())


def read_json(body: bytes | dict[str, Any], rules: AccountRules | None = None) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return parse_fields(parse_parameters("", JSON, data), [KEY], rules or AccountRules())


def mapped(**mapping: Any) -> AccountRules:
    return account_rules(7, "EUR", mapping, frozenset(Event) | {"vip_level"})


def rules_of(fields: dict[str, Any]) -> list[str]:
    return [correction["rule"] for correction in fields["corrections"]]


@pytest.mark.parametrize(
    "name", ["click_id", "clickid", "clickId", "cid", "cnv_id", "subid", "aff_sub", "dyn", "transaction_id"]
)
@pytest.mark.parametrize("click", ["{1}", "{d}"])
def test_the_click_stands_under_any_accepted_name_as_an_id_or_a_dynamic_variable(name: str, click: str) -> None:
    fields = read(f"{name}={click}&event=ftd")
    assert (fields["click_id"], fields["corrections"]) == (ONE, [])


@pytest.mark.parametrize(
    ("query", "event"),
    [
        ("event=ftd", "ftd"),
        ("goal=FTD", "ftd"),
        ("et=first_deposit", "ftd"),
        ("type=reg", "registration"),
        ("action=signup", "registration"),
        ("event=lead", "registration"),
        ("event=sale", "conversion"),
        ("event=revshare", "revenue_share"),
        ("signups=1", "registration"),
        ("signups=1&ftd=0&deposits=0&qualified=0", "registration"),
        ("ftd=true", "ftd"),
        ("deposits=1", "deposit"),
        ("qualified=1", "qualified"),
        ("event=ftd&deposits=7", "ftd"),
        ("event={event}&deposits=1", "deposit"),
        ("status=lead", "conversion"),
        ("status=sale", "conversion"),
        ("status=rebill", "deposit"),
    ],
)
def test_the_event_is_named_flagged_or_said_by_the_status_word(query: str, event: str) -> None:
    assert read(f"cid={{1}}&{query}")["event"] == event


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("lead", "pending"),
        ("hold", "pending"),
        ("pending", "pending"),
        ("2", "pending"),
        ("5", "pending"),
        ("sale", "approved"),
        ("rebill", "approved"),
        ("Approved", "approved"),
        ("1", "approved"),
        ("rejected", "rejected"),
        ("declined", "rejected"),
        ("scrubbed", "rejected"),
        ("3", "rejected"),
        ("reversed", "reversed"),
        ("chargeback", "reversed"),
    ],
)
def test_status_words_of_other_trackers_are_known(word: str, status: str) -> None:
    assert read(f"cid={{1}}&event=ftd&status={word}")["status"] == status


@pytest.mark.parametrize(
    ("query", "field", "part"),
    [
        ("event=ftd", "click_id", "click_id is missing"),
        ("cid={1}", "event", "event is missing; send one of conversion, deposit, ftd"),
        ("cid={1}&status=approved", "event", "event is missing"),
        ("cid={1}&event=party", "event", "event 'party' is not known; send one of conversion, deposit, ftd"),
        ("cid={1}&signups=0", "event", "event is missing"),
        ("cid={1}&signups=1&ftd=1", "event", "signups and ftd are set at once"),
        ("cid={1}&deposits=2", "event", "one postback for each"),
        ("cid={1}&ftd=25.00", "event", "send ftd=1 for one ftd"),
        ("cid={1}&event=ftd&event=deposit", "event", "event is sent twice with different values"),
        ("cid={1}&event=ftd&payout=5&payout=50", "payout", "payout is sent twice"),
        ("cid={1}&event=ftd&status=maybe", "status", "status 'maybe' is not known; send one of pending"),
        ("cid={1}&event=ftd&status={status}", "status", "your system should have filled in"),
        ("cid={1}&event=ftd&status=null", "status", "your system should have filled in"),
        ("cid={1}&event=ftd&status=4", "status", "status '4' is not known"),
        ("cid={1}&event=ftd&payout=1.234", "payout", "two readings"),
        ("cid={1}&event=ftd&payout=5&currency=dollars", "currency", "three-letter"),
        ("cid={1}&event=ftd&payout=-5", "payout", "must not be negative"),
        ("cid={1}&event=ftd&payout=€5", "payout", "written with €"),
        ("cid={1}&event=ftd&order_id=" + "9" * 201, "order_id", "longer than 200"),
        ("cid={1}&event=ftd&order_id=a%00b", "order_id", "control characters"),
        ("cid={1}&event=ftd&order_id=a%0d%0ab", "order_id", "control characters"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field_and_the_fix(query: str, field: str, part: str) -> None:
    with pytest.raises((PostbackError, FieldError)) as refusal:
        read(query.encode().decode("latin-1"))
    assert (refusal.value.field, part in refusal.value.message) == (field, True), refusal.value.message


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("click_id={click_id}&sub1={1}", ["click-in-another-parameter"]),
        ("sub9={d}", ["click-in-another-parameter"]),
        ("click_id=null&afp={d}", ["click-in-another-parameter"]),
        ("click_id=77&user={1}", ["click-in-another-parameter"]),
        ("click_id={d}&dyn={1}", ["click-and-dyn-swapped"]),
        ("clickid={d}&dyn={1}", ["click-and-dyn-swapped"]),
        ("click_id=[clickid]&subid={1}", ["junk-removed"]),
        ("click_id=%25CLICKID%25&subid={1}", ["junk-removed"]),
        ("click_id={1}&dyn={d}", []),
        ("click_id={1}&subid={1}", []),
        ("cid=source-77&clickid={1}", []),
        ("click_id={1}&order_id={1}", []),
    ],
)
def test_a_click_in_the_wrong_place_is_found_and_the_correction_said(query: str, found: list[str]) -> None:
    fields = read(f"{query}&event=ftd")
    assert (fields["click_id"], rules_of(fields)) == (ONE, found)


def test_a_correction_says_what_was_sent_and_what_it_was_taken_for() -> None:
    fields = read("click_id=null&order_id={1}&event=ftd")
    assert fields["order_id"] is None
    assert fields["corrections"] == [
        {"field": "click_id", "from": f"order_id={ONE}", "to": ONE, "rule": "click-in-another-parameter"}
    ]


@pytest.mark.parametrize(
    "query",
    [
        "click_id={1}&clickid={2}",
        "click_id={1}&dyn={D}",
        "click_id={1}&sub1={2}",
        "sub1={1}&sub2={2}",
        "order_id={1}&payout={D}",
        "click_id={1}&click_id={2}",
        "click_id=null&click_id={2}",
    ],
)
def test_two_candidate_clicks_are_refused(query: str) -> None:
    with pytest.raises(PostbackError) as refusal:
        read(f"{query}&event=ftd")
    assert (refusal.value.code, refusal.value.field) == ("ambiguous-click", "click_id")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("p202", "was not issued by this tracker"),
        (FORGED, "was not issued by this tracker"),
        (ONE[:-1] + ("0" if ONE[-1] != "0" else "1"), "was not issued by this tracker"),
        ("DP" + "0" * 24, "was not issued by this tracker"),
        ("{click_id}", "stands where your system should fill in"),
        ("[clickid]", "stands where your system should fill in"),
        ("undefined", "stands where your system should fill in"),
    ],
)
def test_a_click_that_is_none_of_ours_is_unknown(text: str, part: str) -> None:
    with pytest.raises(PostbackError) as refusal:
        read(f"click_id={text}&event=ftd")
    assert (refusal.value.code, refusal.value.field, part in refusal.value.message) == (
        "unknown-click",
        "click_id",
        True,
    )


@pytest.mark.parametrize(
    "junk",
    [
        "{txid}",
        "{{txid}}",
        "[txid]",
        "%TXID%",
        "%ACTION_ID%",
        "${TXID}",
        "#txid#",
        "<txid>",
        "__txid__",
        "ord-{txid}",
        "null",
        "NULL",
        "undefined",
        "None",
        "nil",
        "NaN",
        "n/a",
        "(not set)",
        "[object Object]",
    ],
)
def test_junk_in_a_field_that_may_be_empty_is_left_out_and_said(junk: str) -> None:
    fields = read(f"cid={{1}}&event=ftd&order_id={junk}&payout={junk}")
    assert (fields["order_id"], fields["payout_minor"], fields["currency"]) == (None, None, None)
    assert [(each["field"], each["to"], each["rule"]) for each in fields["corrections"]] == [
        ("order_id", None, "junk-removed"),
        ("payout", None, "junk-removed"),
    ]


@pytest.mark.parametrize(
    "order_id", ["A-1", "nullable", "none-7", "[1] a", "50%", "#17", "<3", "$5", "x<y>", "a%b%", "0"]
)
def test_an_order_id_that_only_looks_odd_is_kept(order_id: str) -> None:
    fields = read_json({"click_id": ONE, "event": "ftd", "order_id": order_id})
    assert (fields["order_id"], fields["corrections"]) == (order_id, [])


def test_junk_under_one_name_gives_way_to_the_next_name() -> None:
    fields = read("cid={1}&event=ftd&order_id={oid}&txid=77")
    assert (fields["order_id"], rules_of(fields)) == ("77", ["junk-removed"])


def test_an_oddly_written_amount_is_read_and_said() -> None:
    fields = read("cid={1}&event=ftd&payout=1.234,56&currency=eur")
    assert (fields["payout_minor"], fields["currency"]) == (123456, "EUR")
    assert fields["corrections"] == [{"field": "payout", "from": "1.234,56", "to": "1234.56", "rule": "amount-read"}]
    assert read("cid={1}&event=ftd&payout=25,00", mapped(decimal_separator=","))["corrections"] == []


def test_a_currency_written_with_the_amount_counts_where_none_is_sent() -> None:
    fields = read_json({"click_id": ONE, "event": "ftd", "payout": "25 GBP"})
    assert (fields["payout_minor"], fields["currency"]) == (2500, "GBP")


def test_an_accounts_own_names_come_first_and_belong_to_no_other_field() -> None:
    rules = mapped(parameter_names={"order_id": ["transaction_id"], "payout": ["commission"], "event": ["ev"]})
    fields = read("clickid={1}&transaction_id=T-1&order_id=O-1&commission=5&payout=9&ev=ftd&event=deposit", rules)
    assert (fields["order_id"], fields["payout_minor"], fields["event"]) == ("T-1", 500, "ftd")
    fields = read("transaction_id={1}&event=ftd", rules)
    assert rules_of(fields) == ["click-in-another-parameter"]


def test_a_flags_name_that_an_account_gives_another_meaning_is_no_flag() -> None:
    rules = mapped(parameter_names={"payout": ["ftd"]})
    fields = read("cid={1}&event=registration&ftd=25", rules)
    assert (fields["event"], fields["payout_minor"]) == ("registration", 2500)
    with pytest.raises(PostbackError, match="event is missing"):
        read("cid={1}&ftd=1", rules)


def test_an_account_that_names_the_clicks_parameter_is_not_asked_about_others() -> None:
    rules = mapped(parameter_names={"click_id": ["our_ref"]})
    assert read("our_ref={1}&click_id={2}&event=ftd", rules)["click_id"] == ONE
    assert read("click_id={2}&event=ftd", rules)["click_id"] == OTHER


def test_an_accounts_own_words_come_first() -> None:
    rules = mapped(
        event_words={"Lead": "vip_level", "dep": "deposit"}, status_words={"1": "rejected", "OK": "approved"}
    )
    fields = read("cid={1}&event=LEAD&status=1", rules)
    assert (fields["event"], fields["status"]) == ("vip_level", "rejected")
    fields = read("cid={1}&event=dep&status=ok", rules)
    assert (fields["event"], fields["status"]) == ("deposit", "approved")
    assert read("cid={1}&status=lead", rules)["event"] == "vip_level"


def test_an_own_event_type_is_accepted_by_its_word_and_only_where_it_exists() -> None:
    assert read("cid={1}&event=VIP_level", mapped())["event"] == "vip_level"
    with pytest.raises(PostbackError, match="send one of conversion"):
        read("cid={1}&event=vip_level")
    with pytest.raises(PostbackError, match=r"vip_level$"):
        read("cid={1}&event=nothing", mapped())


def test_an_event_type_out_of_use_is_refused_however_it_is_said() -> None:
    rules = account_rules(7, "EUR", {"default_event": "ftd"}, frozenset({"deposit"}))
    for query in ("event=ftd", "ftd=1", "status=sale", "payout=1"):
        with pytest.raises(PostbackError, match="send one of deposit"):
            read(f"cid={{1}}&{query}", rules)


def test_the_default_event_is_meant_only_where_none_is_said() -> None:
    rules = mapped(default_event="qualified")
    assert read("cid={1}", rules)["event"] == "qualified"
    assert read("cid={1}&event=ftd", rules)["event"] == "ftd"
    with pytest.raises(PostbackError, match="not known"):
        read("cid={1}&event=party", rules)


def test_query_form_and_json_say_the_same() -> None:
    query = f"click_id={ONE}&event=ftd&payout=25.5&currency=EUR&order_id=7&status=approved"
    values = dict(pair.split("=") for pair in query.split("&"))
    parameters = [
        parse_parameters(query, "", b""),
        parse_parameters("", FORM, query.encode()),
        parse_parameters("", f"{FORM}; charset=utf-8", query.encode() + b"\r\n"),
        parse_parameters("", JSON, orjson.dumps(values)),
        parse_parameters("", "application/vnd.merchant+json", b"\xef\xbb\xbf" + orjson.dumps(values)),
        parse_parameters("", "", orjson.dumps(values)),
        parse_parameters("", "text/plain", b'{"payout":25.5,' + orjson.dumps(values | {"order_id": 7})[1:]),
        parse_parameters("event=ftd&payout=1", JSON, orjson.dumps(values)),
    ]
    first = parse_fields(parameters[0], [KEY], AccountRules())
    assert [parse_fields(each, [KEY], AccountRules()) for each in parameters[1:]] == [first] * (len(parameters) - 1)


def test_of_a_signed_request_only_what_is_signed_is_read() -> None:
    query, body = f"click_id={ONE}&event=ftd", b"payout=25"
    assert dict(parse_parameters(query, FORM, body, is_signed=True)) == {"payout": "25"}
    assert set(parse_parameters(query, FORM, b" ", is_signed=True)) == {"click_id", "event"}
    assert set(parse_parameters(query, FORM, body)) == {"click_id", "event", "payout"}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("12", "12"),
        ("12.0", "12"),
        ("25.50", "25.50"),
        ("1e2", "100"),
        ("2.5E1", "25"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.1", "0.1"),
        ("1e400", "1e400"),
        ("1e-400", "1e-400"),
        ("-0", "-0"),
    ],
)
def test_json_numbers_are_the_text_they_are(number: str, text: str) -> None:
    assert parse_parameters("", JSON, b'{"a":' + number.encode() + b"}")["a"] == text


def test_two_long_order_numbers_stay_two() -> None:
    first, second = (
        read_json(f'{{"click_id":"{ONE}","event":"ftd","order_id":1234567890123456789{last}}}'.encode())["order_id"]
        for last in (1, 2)
    )
    assert first != second


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b'"x"',
        b"null",
        b"1",
        b"{} {}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":"\xff"}',
        b'{"a":"\x00"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}" * 2,
    ],
)
def test_a_body_that_is_no_json_object_is_bad(body: bytes) -> None:
    with pytest.raises(PostbackError) as refusal:
        parse_parameters("", JSON, body)
    assert refusal.value.code == "bad-body"


@pytest.mark.parametrize("kind", ["text/csv", "multipart/form-data; boundary=x", "application/xml", "image/png"])
def test_a_body_of_another_type_is_bad(kind: str) -> None:
    with pytest.raises(PostbackError, match="send application/json or application/x-www-form-urlencoded"):
        parse_parameters("", kind, b"click_id=1")


@pytest.mark.parametrize("value", [{"id": ONE}, [ONE], [], {}])
def test_a_nested_value_is_no_field(value: Any) -> None:
    with pytest.raises(PostbackError):
        read_json({"click_id": value, "event": "ftd"})
    assert read_json({"click_id": ONE, "event": "ftd", "details": value})["corrections"] == []
    assert rules_of(read_json({"click_id": ONE, "event": "ftd", "order_id": value})) == ["junk-removed"]


def test_json_flags_may_be_true_and_empty_values_are_nothing() -> None:
    fields = read_json({"click_id": ONE, "signups": True, "ftd": False, "order_id": None, "payout": "", "status": " "})
    assert (fields["event"], fields["order_id"], fields["payout_minor"], fields["status"]) == (
        "registration",
        None,
        None,
        None,
    )


def test_a_json_name_given_twice_with_two_values_is_refused() -> None:
    with pytest.raises(PostbackError, match="payout is sent twice"):
        read_json(f'{{"click_id":"{ONE}","event":"ftd","payout":1,"payout":2}}'.encode())


def test_at_most_so_many_parameters_are_looked_at() -> None:
    many = "&".join(f"p{n}={n}" for n in range(10_000))
    assert len(parse_parameters(many, "", b"")) == PARAMETERS_MAX
    assert len(parse_parameters("", FORM, many.encode())) == PARAMETERS_MAX
    assert len(parse_parameters("", JSON, orjson.dumps({f"p{n}": n for n in range(10_000)}))) == PARAMETERS_MAX


def test_fields_are_always_what_a_record_can_hold() -> None:
    fields = read_json(f'{{"click_id":"{ONE}","event":"ftd","order_id":"a\\ud800b"}}'.encode())
    assert orjson.loads(orjson.dumps(fields))["order_id"] == "a?b"


hostile = st.one_of(
    st.text(max_size=60),
    st.sampled_from([ONE, OTHER, DYN, FORGED, "null", "{x}", "ftd", "1", "25", "1e400", "\x00", "a\r\nb", "é" * 300]),
)
names = st.sampled_from(
    [
        "click_id",
        "dyn",
        "event",
        "signups",
        "ftd",
        "payout",
        "currency",
        "order_id",
        "status",
        "sub1",
        "token",
        "\x00",
        "",
    ]
)


@given(st.lists(st.tuples(names, hostile), max_size=12))
def test_any_json_object_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    body = b"{" + b",".join(orjson.dumps(n) + b":" + orjson.dumps(v) for n, v in pairs) + b"}"
    try:
        fields = read_json(body)
    except (PostbackError, FieldError):
        return
    assert fields["click_id"] in (ONE, OTHER)
    assert fields["event"] in set(Event)
    orjson.dumps(fields)


@given(query=st.text(st.characters(max_codepoint=255), max_size=300), body=st.binary(max_size=300))
@pytest.mark.parametrize("kind", ["", FORM, JSON])
def test_any_request_is_read_or_refused(kind: str, query: str, body: bytes) -> None:
    try:
        parse_fields(parse_parameters(query, kind, body), [KEY], AccountRules())
    except (PostbackError, FieldError) as error:
        orjson.dumps([error.message, error.field])
