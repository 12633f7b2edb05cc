"""Returns from the command line: what there is, and what a person grants."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from orderpipe import config, flow
from orderpipe.lake.landing import PulledWindow, land

KEY = "5f" * 32
KNOWN = datetime(2026, 11, 9, 3, 0, tzinfo=UTC)
WHO = ("--by", "周敏", "--reason", "电话核实")


def order(number):
    """A shipped Taobao order of two cups."""
    content = {
        "tid": int(number), "status": "WAIT_BUYER_CONFIRM_GOODS", "created": "2026-11-09 08:00:00",
        "modified": "2026-11-09 10:05:00", "pay_time": "2026-11-09 08:01:00", "consign_time": "2026-11-09 10:05:00",
        "total_fee": "178.00", "payment": "178.00", "receiver_name": "王小明", "receiver_mobile": "13812345678",
        "receiver_state": "浙江省", "receiver_city": "杭州市", "receiver_district": "西湖区",
        "receiver_address": "文三路88号3幢402室",
        "orders": {"order": [{"oid": int(number + "01"), "outer_sku_id": "CUP-500-BL", "price": "89.00", "num": 2,
                              "divide_order_fee": "178.00"}]},
    }  # fmt: skip
    return number, KNOWN - timedelta(minutes=55), json.dumps(content, ensure_ascii=False)


def case(number, of):
    """A return that Taobao agreed to."""
    content = {
        "refund_id": number, "tid": int(of), "oid": int(of + "01"), "status": "WAIT_BUYER_RETURN_GOODS",
        "refund_fee": "178.00", "reason": "不想要了", "created": "2026-11-09 10:30:00",
        "modified": "2026-11-09 10:40:00", "refund_phase": "onsale", "dispute_type": "REFUND_AND_RETURN",
    }  # fmt: skip
    return number, KNOWN - timedelta(minutes=20), json.dumps(content, ensure_ascii=False)


@pytest.fixture(scope="module")
def desk(terminal):
    """A terminal on a home with two shipped orders; of one a return is agreed."""
    one = terminal(ORDERPIPE_PII_KEY=KEY)
    settings = config.Settings(config.Home(one.home), config.ROOT / "config", {"ORDERPIPE_PII_KEY": KEY})
    start = KNOWN - timedelta(hours=1)
    windows = [
        PulledWindow("taobao", "taobao-hz", "order", start, KNOWN, 1, [order("3001"), order("3002")], 2, 1),
        PulledWindow("taobao", "taobao-hz", "refund", start, KNOWN, 1, [case("91", "3001")], 1, 1),
    ]
    with flow.open_run(settings, say=lambda text: None) as run:
        run.started_at = KNOWN
        with run.writing("landing"):
            land(run.lake, settings, windows, run_id=run.id, now=KNOWN)
        flow.pool(run)
        flow.decide(run)
    return one


def test_what_comes_back_is_listed_and_shown(desk):
    (row,) = desk.json("returns", "list")
    assert (row["platform_order_no"], row["state"], row["gate"], row["expected"]) == (
        "3001", "expected", "waiting_goods", 2,
    )  # fmt: skip
    assert desk.json("returns", "list", "--shop", "shopify-us") == []
    printed = desk("returns", "list").stdout + desk("returns", "show", "91").stdout
    assert "waiting_goods" in printed and "CUP-500-BL" in printed
    assert not [secret for secret in ("王小明", "13812345678", "文三路") if secret in printed]
    assert desk.json("returns", "show", "3001")[0]["lines"][0]["expected"] == 2


def test_a_person_inspects_and_grants(desk):
    assert "would resend" in desk("returns", "resend", "3002", "--line", "1:1", *WHO, "--dry-run").stdout
    assert desk.json("returns", "list", "--all")[0]["platform_order_no"] == "3001"
    done = desk("returns", "resend", "3002", "--line", "1:1", *WHO)
    assert done.returncode == 0 and "-B1 CUP-500-BL x 1: planned" in done.stdout, done.stderr
    again = desk("returns", "resend", "3002", "--line", "1", *WHO)
    assert again.returncode == 1 and "under way" in again.stderr
    found = desk.json("returns", "inspect", "91", "--passed", *WHO)["returns"]
    assert (found[0]["state"], found[0]["gate"]["state"]) == ("received", "passed")
    events = {(event["kind"], event["actor"]) for event in desk.json("timeline", "3001")["events"]}
    assert {("goods_inspected", "周敏"), ("return_received", "orderpipe"), ("refund_gate", "orderpipe")} <= events


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("resend", "3001", "--line", "1", *WHO), "a case about these goods is open: 91"),
        (("exchange", "3001", "--refund", "91", *WHO), "is a return, which pays money back"),
        (("exchange", "3002", *WHO), "no line is named"),
        (("resend", "3002", "--line", "one", *WHO), "names no line"),
        (("show", "4711"), "nothing comes back"),
    ],
)
def test_what_cannot_be_says_why(desk, arguments, says):
    done = desk("returns", *arguments)
    assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr
