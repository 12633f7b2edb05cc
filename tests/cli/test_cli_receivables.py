"""Receivables from the command line: sums, differences, and a write-off that settles them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from orderpipe import config, flow
from orderpipe.lake.landing import PulledWindow, land

KEY = "5f" * 32
KNOWN = datetime(2026, 11, 9, 3, 0, tzinfo=UTC)


def trade(number):
    """A completed Taobao order of 89.00."""
    content = {
        "tid": int(number), "status": "TRADE_FINISHED", "created": "2026-10-09 10:00:00",
        "modified": "2026-10-19 10:05:00", "pay_time": "2026-10-09 10:01:00", "consign_time": "2026-10-09 19:00:00",
        "end_time": "2026-10-19 10:05:00", "total_fee": "89.00", "payment": "89.00",
        "receiver_name": "王小明", "receiver_mobile": "13812345678", "receiver_state": "浙江省",
        "receiver_city": "杭州市", "receiver_district": "西湖区", "receiver_address": "文三路88号",
        "orders": {"order": [{"oid": int(number + "01"), "outer_sku_id": "CUP-500-BL", "price": "89.00", "num": 1,
                              "divide_order_fee": "89.00"}]},
    }  # fmt: skip
    return number, KNOWN - timedelta(days=21), json.dumps(content, ensure_ascii=False)


def line(number, order, amount):
    content = {"statement_no": "S", "line_id": number, "order_no": order, "entry_type": "订单货款", "amount": amount,
               "currency": "CNY", "settled_at": "2026-10-19T04:00:00+00:00"}  # fmt: skip
    return number, KNOWN, json.dumps(content, ensure_ascii=False)


@pytest.fixture(scope="module")
def desk(terminal):
    """A terminal on a home where 3001 is settled, 3002 in part, 3003 not at all."""
    one = terminal(ORDERPIPE_PII_KEY=KEY)
    settings = config.Settings(config.Home(one.home), config.ROOT / "config", {"ORDERPIPE_PII_KEY": KEY})
    lines = [line("1", "3001", "89.00"), line("2", "3002", "80.00")]
    windows = [
        PulledWindow("taobao", "taobao-hz", kind, KNOWN - timedelta(hours=1), KNOWN, 1, documents, len(documents), 1)
        for kind, documents in (("order", [trade(f"300{n}") for n in (1, 2, 3)]), ("settlement", lines))
    ]
    with flow.open_run(settings, say=lambda text: None) as run:
        run.started_at = KNOWN
        with run.writing("landing"):
            land(run.lake, settings, windows, run_id=run.id, now=KNOWN)
        flow.pool(run)
        flow.decide(run)
        flow.build_marts(run)
    return one


def told(desk, *arguments):
    done = desk("receivables", "--json", *arguments)
    return done, json.loads(done.stdout)


def test_sums_and_differences_then_a_write_off(desk):
    done, found = told(desk)
    assert done.returncode == 1
    (row,) = found["rows"]
    assert (row["shop_id"], row["month"], row["orders"]) == ("taobao-hz", "2026-10", 3)
    assert (row["receivable"], row["held"], row["settled"]) == ("267.00", "98.00", "169.00")
    gaps = {gap["platform_order_no"]: (gap["kind"], gap["difference"]) for gap in found["gaps"]}
    assert gaps == {"3002": ("amount_differs", "-9.00"), "3003": ("missing_in_statement", "-89.00")}
    assert told(desk, "--month", "2026-09")[1]["rows"] == []
    assert "3003" in desk("receivables").stdout

    who = ("--by", "周敏", "--reason", "平台不予补结")
    wrong = [("3002", "9.01", "more than"), ("3002", "九元", "no amount"), ("3002", "-1", "no amount")]
    for order, amount, why in (*wrong, ("4711", "1", "no such order")):
        done = desk("receivables", "write-off", order, "--amount", amount, *who)
        assert done.returncode == 1 and why in done.stderr
    assert "who and why" in desk(
        "receivables", "write-off", "3002", "--amount", "9.00", "--by", " ", "--reason", "x"
    ).stderr  # fmt: skip
    done = desk("receivables", "write-off", "3002", "--amount", "9.00", *who)
    assert done.returncode == 0, done.stderr
    assert desk("receivables", "write-off", "3003", "--amount", "89.00", *who, "--of", "platform").returncode == 0
    done, found = told(desk)
    assert (done.returncode, found["gaps"]) == (0, [])
    (row,) = found["rows"]
    assert (row["receivable"], row["held"], row["settled"], row["written_off"]) == ("267.00", "0.00", "169.00", "98.00")
    # The timeline of the order knows who gave it up.
    assert "written_off" in desk("timeline", "3002").stdout
    assert "more than the 0.00" in desk("receivables", "write-off", "3002", "--amount", "1", *who).stderr


def test_a_shop_that_is_none_is_said(desk):
    done = desk("receivables", "--shop", "nowhere")
    assert done.returncode == 1 and "no shop nowhere" in done.stderr
