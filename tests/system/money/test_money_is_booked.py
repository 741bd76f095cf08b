"""What operators decide becomes entries through the running processes, and own event types and rates are live."""

from __future__ import annotations

from typing import Any

from running_stack import Stack
from waiting import wait_until
from world import World


def conversion_of(stack: Stack, click_id: str) -> Any:
    (row,) = stack.api("GET", f"/v1/conversions?click_id={click_id}").json["items"]
    return stack.api("GET", f"/v1/conversions/{row['conversion_id']}").json


def test_a_decision_of_an_operator_is_booked_by_the_workers(world: World, stack: Stack) -> None:
    source = stack.create("/v1/sources", {"name": "Newsletter"})
    terms = {"name": "Brand", "starts_on": "2026-01-01", "currency": "USD", "cpa_minor": 4000}
    plan = stack.create("/v1/commission-plans", terms | {"merchant_id": world.merchant["merchant_id"]})
    click_id = world.click(world.link(source_id=source["source_id"]))
    order = {"click_id": click_id, "event": "ftd", "payout": "55", "currency": "USD", "status": "pending"}
    assert stack.postback(f"/postback/{world.merchant['postback_token']}", order).status == 200
    stack.await_postbacks(click_id, 1)

    pending = conversion_of(stack, click_id)
    assert (pending["status"], pending["entries"]) == ("pending", [])
    path = f"/v1/conversions/{pending['conversion_id']}"
    assert stack.api("PATCH", path, {"status": "approved", "note": "checked"}).status == 200
    wait_until(lambda: len(stack.api("GET", path).json["entries"]) == 2, what="the decision to be booked")

    approved = stack.api("GET", path).json
    assert (approved["commission_amount"], approved["plan_id"], approved["plan_rung"]) == (
        *("40.00", plan["plan_id"], "brand"),
    )
    balances = stack.api("GET", f"/v1/balances?source_id={source['source_id']}&party=source").json["items"]
    assert [(row["currency"], row["balance"]) for row in balances] == [("USD", "40.00")]


def test_an_own_event_type_is_accepted_at_the_edge_and_earns(world: World, stack: Stack) -> None:
    source = stack.create("/v1/sources", {"name": "Blog"})
    plan = {"name": "VIP", "starts_on": "2026-01-01", "currency": "EUR", "cpl_minor": 300}
    plan_id = stack.create("/v1/commission-plans", plan)["plan_id"]
    link = world.link(source_id=source["source_id"], plan_id=plan_id)
    click_id = world.click(link)
    fields = {"click_id": click_id, "event": "vip_call"}
    stack.create("/v1/event-types", {"event": "vip_call", "name": "VIP call", "commission": "cpl"})
    path = f"/postback/{world.merchant['postback_token']}"
    wait_until(lambda: stack.postback(path, fields).status == 200, what="the event type to be live at the edge")
    wait_until(
        lambda: len(stack.api("GET", f"/v1/conversions?click_id={click_id}&event=vip_call").json["items"]) == 1,
        what="the conversion",
    )
    wait_until(lambda: conversion_of(stack, click_id)["entries"], what="its commission")
    (entry,) = conversion_of(stack, click_id)["entries"]
    assert (entry["kind"], entry["amount_minor"], entry["currency"]) == ("commission", 300, "EUR")


def test_the_rates_of_the_installed_package_are_loaded_at_start(stack: Stack) -> None:
    def rates() -> Any:
        return stack.api("GET", "/v1/exchange-rates?quote=USD&origin=ecb&from=2026-01-01&limit=1").json["items"]

    wait_until(lambda: bool(rates()), what="the rates to be loaded")
    assert rates()[0]["base"] == "EUR"
