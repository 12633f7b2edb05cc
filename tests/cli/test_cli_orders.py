"""Finding an order and playing it back."""

import json

import pytest


@pytest.mark.parametrize(
    "term",
    [
        "13812345678",
        "+86 138 1234 5678",
        "0086-138-1234-5678",
        "138-1234-5678",
        " 13812345678 ",
        "１３８１２３４５６７８",
        "1001",
    ],
)
def test_an_order_is_found_by_phone_in_any_spelling_and_by_number(orderpipe, term):
    found = orderpipe.json("lookup", term)
    assert [order["platform_order_no"] for order in found] == ["1001"]
    assert found[0]["phone_masked"] == "138****5678"
    assert not any(secret in json.dumps(found, ensure_ascii=False) for secret in ("13812345678", "王小明", "文三路"))


@pytest.mark.parametrize(("term", "number"), [("0571 8765 4321", "1002"), ("+86 571 8765 4321", "1003")])
def test_a_landline_is_found_as_it_was_written(orderpipe, term, number):
    assert [order["platform_order_no"] for order in orderpipe.json("lookup", term)] == [number]


def test_an_order_is_found_by_its_id(orderpipe):
    order_id = str(orderpipe.json("lookup", "1001")[0]["order_id"])
    assert [order["platform_order_no"] for order in orderpipe.json("lookup", order_id)] == ["1001"]


def test_nothing_found_is_exit_code_one_with_advice(orderpipe):
    done = orderpipe("lookup", "13900000000")
    assert done.returncode == 1
    assert "orderpipe verify" in done.stdout
    assert orderpipe.json("lookup", "13900000000", exit_code=1) == []


def test_a_lookup_prints_a_line_without_personal_data(orderpipe):
    done = orderpipe("lookup", "1003")
    assert done.returncode == 0
    assert "王**" in done.stdout and "HZ" in done.stdout
    assert not any(secret in done.stdout for secret in ("王小明", "13812345678", "文三路"))


def kinds(found) -> list[str]:
    return [event["kind"] for event in found["events"]]


def test_a_timeline_tells_every_step_once_in_order(orderpipe):
    found = orderpipe.json("timeline", "1001")
    steps = [kind for kind in kinds(found) if kind not in ("instructed", "routed")]
    assert steps == ["ordered", "paid", "shipped", "status_changed", "refund_changed"]
    assert [event["at"] for event in found["events"]] == sorted(event["at"] for event in found["events"])
    assert found["order"]["status"] == "shipped"
    assert orderpipe("timeline", "1001").stdout.count("refund_changed") == 1


def test_a_timeline_as_of_a_time_shows_what_was_known_then(orderpipe):
    found = orderpipe.json("timeline", "1001", "--as-of", "2026-11-09T04:30:00")
    assert found["order"]["status"] == "paid"  # shipped at 04:00 UTC, learned at 05:00
    assert found["order"]["shipped_at"] is None
    assert {"shipped", "status_changed", "refund_changed"}.isdisjoint(kinds(found))
    assert {"ordered", "paid"} <= set(kinds(found))
    later = orderpipe.json("timeline", "1001", "--as-of", "2026-11-09T05:00:00")
    assert later["order"]["status"] == "shipped"
    assert "refund_changed" in kinds(later)


def test_what_was_not_known_yet_is_said_so(orderpipe):
    done = orderpipe.process("timeline", "1001", "--as-of", "2026-11-09T02:30:00")
    assert done.returncode == 1
    assert "no order 1001 was known at 2026-11-09 02:30:00 UTC" in done.stderr
    assert "Traceback" not in done.stderr
    assert orderpipe("timeline", "4711").returncode == 1
