"""What the measurement of stored clicks sends is what the API takes, and its clicks hardly repeat each other."""

from __future__ import annotations

import worker_cases as cases
from admin_api.routing import RoutingFields
from loadtests.pipeline.records import payload_source
from loadtests.stored_clicks.__main__ import rules
from tracking.clicks import ClickIdMint, ProcessIdentity
from tracking.spool import decode_click


def test_the_rules_are_ten_that_the_api_takes() -> None:
    made = RoutingFields.model_validate(rules("https://draft.example"))
    assert len({rule.conditions[0].field for rule in made.rules}) == len(made.rules) == 10


def test_one_click_in_so_many_repeats_the_visitor_before() -> None:
    payload = payload_source(ClickIdMint([cases.KEY], ProcessIdentity(7, 4, 0)).mint, new_visitors_of=5)
    visitors = [(click.ip, click.user_agent, click.link_id) for click in (decode_click(payload()) for _ in range(50))]
    repeated = [at + 1 for at in range(1, 50) if visitors[at] == visitors[at - 1]]
    assert repeated == list(range(5, 51, 5))
