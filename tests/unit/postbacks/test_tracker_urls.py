"""One postback of each well-known tracker as its own documentation writes it, and what Waypost reads in it.

The parameter names are facts of those pages: the site and the page's title stand beside each row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tracking.clicks import ClickIdMint, ProcessIdentity, encode_dyn
from tracking.conversions import Event
from tracking.postbacks import AccountRules, account_rules, parse_fields, parse_parameters

KEY = b"k" * 16
CLICK_ID, _ = ClickIdMint([KEY], ProcessIdentity(1, 2, 3), lambda: 1_789_000_000_000_000_000).mint()
DYN = encode_dyn("DP", CLICK_ID)
ANY = AccountRules()


class Row(NamedTuple):
    """A query string with {id} or {dyn} where the click goes, and what it says. `mapping` is the account's own."""

    query: str
    event: str
    status: str | None = None
    payout_minor: int | None = None
    currency: str | None = None
    order_id: str | None = None
    mapping: dict[str, Any] | None = None


ROWS = {
    # doc.voluum.com, "Track Conversions Using S2S Postback URL" and "Parameters in Postback URLs".
    "Voluum": Row(
        "cid={id}&payout=12.50&txid=order-77&currency=EUR&et=registration&param1=a",
        "registration",
        None,
        1250,
        "EUR",
        "order-77",
    ),
    # docs.keitaro.io, "Postback": subid, status lead, sale, rejected or rebill, payout, tid.
    "Keitaro lead": Row(
        "subid={id}&status=lead&payout=10&currency=usd&tid=881", "conversion", "pending", 1000, "USD", "881"
    ),
    "Keitaro sale": Row("subid={id}&status=sale&payout=10&tid=881", "conversion", "approved", 1000, "USD", "881"),
    "Keitaro rebill": Row("subid={id}&status=rebill&payout=4&tid=882", "deposit", "approved", 400, "USD", "882"),
    "Keitaro rejected": Row(
        "subid={id}&status=rejected&tid=881",
        "conversion",
        "rejected",
        order_id="881",
        mapping={"default_event": "conversion"},
    ),
    # docs.binom.org, "Postback": cnv_id, payout, cnv_status, cnv_currency.
    "Binom": Row(
        "cnv_id={id}&payout=5&cnv_status=Hold&cnv_currency=GBP",
        "ftd",
        "pending",
        500,
        "GBP",
        mapping={"default_event": "ftd"},
    ),
    # help.redtrack.io, "Conversion types and statuses" (type, rdtk_event_id) and "Dynamic parameters: clickid".
    "RedTrack": Row(
        "clickid={id}&sum=25&type=Deposit&status=approved&rdtk_event_id=T-9", "deposit", "approved", 2500, "USD", "T-9"
    ),
    # help.bemob.com, "Postback Statuses", and docs.bemob.com, "Monetizer Settings": cid, payout, txid, status.
    "BeMob": Row(
        "cid={id}&payout=3.75&txid=a1b2&status=reject",
        "conversion",
        "rejected",
        375,
        "USD",
        "a1b2",
        mapping={"default_event": "conversion", "status_words": {"reject": "rejected"}},
    ),
    # helpdesk.everflow.io, "Accessing & Editing S2S Postback URLs": nid, transaction_id, amount (12,34 is 12.34), adv1.
    "Everflow": Row(
        "nid=123&transaction_id={id}&amount=12,34&adv1=ord-5",
        "ftd",
        None,
        1234,
        "USD",
        "ord-5",
        {"parameter_names": {"order_id": ["adv1"]}, "default_event": "ftd"},
    ),
    # support.tune.com, "Receiving Conversions via Postback URL" and "Customizing a Conversion URL".
    "TUNE": Row(
        "offer_id=26&transaction_id={id}&amount=49.90&adv_sub=inv-3",
        "qualified",
        None,
        4990,
        "USD",
        "inv-3",
        {"parameter_names": {"order_id": ["adv_sub"]}, "default_event": "qualified"},
    ),
    # support.getcake.com, "Ecommerce - Commerce Pixel": r request id, e event, t transaction, p revenue, eccu currency.
    "CAKE": Row(
        "a=1&t=123456&r={id}&f=pb&e=123&eccu=USD&p=61.00",
        "deposit",
        None,
        6100,
        "USD",
        "123456",
        {
            "parameter_names": {
                "click_id": ["r"],
                "event": ["e"],
                "order_id": ["t"],
                "payout": ["p"],
                "currency": ["eccu"],
            },
            "event_words": {"123": "deposit"},
        },
    ),
    # help-center.affise.com, "Affise postback URL parameters": status 1 approved, 2 pending, 3 declined, 5 hold.
    "Affise approved": Row(
        "clickid={id}&action_id=x9&goal=1&sum=8&status=1",
        "registration",
        "approved",
        800,
        "USD",
        "x9",
        {"event_words": {"1": "registration"}},
    ),
    "Affise pending": Row("click_id={id}&action_id=x9&goal=ftd&sum=8&status=2", "ftd", "pending", 800, "USD", "x9"),
    "Affise declined": Row("clickid={id}&action_id=x9&goal=ftd&status=3", "ftd", "rejected", order_id="x9"),
    "Affise hold": Row("clickid={id}&action_id=x9&goal=ftd&status=5", "ftd", "pending", order_id="x9"),
    # The form of platforms that report registrations and deposits as flags of a dynamic variable.
    "dyn and flags": Row("dyn={dyn}&clickId={id}&signups=1&ftd=0&deposits=0", "registration"),
    "dyn alone": Row("dyn={dyn}&ftd=1&amount=20&currency=EUR", "ftd", None, 2000, "EUR"),
    "clickId and a flag": Row("clickId={id}&deposits=1&sum=99.95", "deposit", None, 9995, "USD"),
    "qualified as a flag": Row("clickId={id}&qualified=1", "qualified"),
    # The platforms' own names, in tracking.postbacks.platforms.
    "Cellxpert": Row("afp={dyn}&event=ftd&amount=30", "ftd", None, 3000, "USD", mapping={"platform": "cellxpert"}),
    "MyAffiliates": Row("payload={dyn}&event=registration", "registration", mapping={"platform": "myaffiliates"}),
    "Income Access": Row(
        "c={dyn}&event=deposit&amount=7", "deposit", None, 700, "USD", mapping={"platform": "incomeaccess"}
    ),
}


@pytest.mark.parametrize("tracker", ROWS)
def test_a_postback_as_the_tracker_writes_it_is_understood(tracker: str) -> None:
    row = ROWS[tracker]
    rules = ANY if row.mapping is None else account_rules(7, "USD", row.mapping, frozenset(Event))
    query = row.query.replace("{id}", CLICK_ID).replace("{dyn}", DYN)
    as_query = parse_fields(parse_parameters(query, "", b""), [KEY], rules)
    assert {
        name: as_query[name] for name in ("click_id", "event", "status", "payout_minor", "currency", "order_id")
    } == {
        "click_id": CLICK_ID,
        "event": row.event,
        "status": row.status,
        "payout_minor": row.payout_minor,
        "currency": row.currency,
        "order_id": row.order_id,
    }
    form = parse_parameters("", "application/x-www-form-urlencoded", query.encode())
    assert parse_fields(form, [KEY], rules) == as_query


def test_each_tracker_that_is_promised_has_its_row() -> None:
    promised = ["Voluum", "Keitaro", "Binom", "RedTrack", "BeMob", "Everflow", "TUNE", "CAKE", "Affise", "dyn"]
    assert [name for name in promised if not any(row.startswith(name) for row in ROWS)] == []
