"""The ledger: every cent an order is about stands in exactly one place, line by line, whatever happened and however the
documents came."""

import json
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.flow.documents import SHOPS, START, Document

few = settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
CLASSES = ("cancelled", "open", "held", "refunded", "settled", "written_off")
TABLES = ("core.ledger_entries", "core.order_balances", "core.settlements")


def settled(number, of, amount, kind="订单货款", platform="taobao", currency="CNY", days=20):
    """A line of a statement, as an imported file brings it."""
    at = START + timedelta(days=days)
    content = {"statement_no": "S1", "line_id": number, "order_no": of, "entry_type": kind, "amount": amount,
               "currency": currency, "settled_at": at.isoformat(), "mapping": "settlement"}  # fmt: skip
    return Document(platform, "settlement", f"S1|{number}", at, json.dumps(content))


def written_off(number, order_id, of, amount, account="receivable", platform="taobao"):
    """A write-off, as the command lands it."""
    content = {"review_id": number, "order_id": str(order_id), "platform_order_no": of, "action": "write_off",
               "actor": "lin", "reason": "坏账", "decided_at": START.isoformat(), "covers": [],
               "request": {"account": account, "amount": amount}}  # fmt: skip
    return Document(platform, "review", number, START, json.dumps(content))


@pytest.fixture
def known(pool):
    """known(number): the id an order will have."""

    def known(number, platform="taobao", ordered=START):
        ask = {"at": ordered, "platform": platform, "shop": SHOPS[platform], "number": number}
        (row,) = pool.rows("SELECT order_id_of($at::TIMESTAMPTZ, $platform, $shop, $number) AS id", **ask)
        return row["id"]

    return known


def classes(pool, number):
    """Where the money of an order is: the classes that hold any, as text."""
    rows = pool.rows(
        f"""SELECT {", ".join(CLASSES)}, payable
            FROM core.order_balances JOIN core.orders USING (order_id, currency)
            WHERE platform_order_no = $number""",
        number=number,
    )
    if not rows:
        return {}
    (row,) = rows
    assert row["payable"] == sum(row[name] for name in CLASSES)
    return {name: str(row[name]) for name in ("payable", *CLASSES) if row[name]}


def by_line(pool, number, account):
    rows = pool.rows(
        """SELECT e.line_no, sum(debit - credit) AS amount FROM core.ledger_entries e JOIN core.orders USING (order_id)
           WHERE platform_order_no = $number AND account = $account GROUP BY line_no ORDER BY line_no""",
        number=number, account=account,
    )  # fmt: skip
    return {row["line_no"]: row["amount"] for row in rows}


def test_where_the_money_of_an_order_is(pool, write, state, refund, known):
    deposit = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_NOPAID", "step_paid_fee": "20.00"}
    pool.land(
        write("taobao", state("1", status="unpaid")),
        write("taobao", state("2")),
        write("taobao", state("3", status="shipped")).changed(type="cod", pay_time=None),
        write("taobao", state("4", status="unpaid")).changed(**deposit),
        write("taobao", state("5")), refund("905", "5", 9, "refunded").changed(refund_fee="30.01"),
        write("taobao", state("6")), refund("906", "6", 9, "refunded").changed(refund_fee="100.00"),
        write("taobao", state("7")), refund("907", "7", 9, "requested"),
        write("taobao", state("8", status="closed")).changed(pay_time=None),
        write("taobao", state("9", status="completed")), settled("1", "9", "92.00"),
        settled("2", "9", "-0.55", "技术服务费"),
        write("taobao", state("10", status="completed")), settled("3", "10", "92.00"),
        refund("910", "10", 9, "refunded"), settled("4", "10", "-89.00", "退款"),
        write("taobao", state("11", status="shipped")).changed(type="cod", pay_time=None),
        written_off("w1", known("11"), "11", "92.00"),
        write("taobao", state("12", status="completed")), written_off("w2", known("12"), "12", "2.00", "platform"),
        write("shopify", state("13", test=True)),
        write("shopify", state("14")),
    )  # fmt: skip
    pool.pool()
    assert {n: classes(pool, str(n)) for n in range(1, 15)} == {
        1: {"payable": "92.00", "open": "92.00"},
        2: {"payable": "92.00", "held": "92.00"},
        3: {"payable": "92.00", "open": "92.00"},
        4: {"payable": "92.00", "open": "72.00", "held": "20.00"},
        5: {"payable": "92.00", "held": "61.99", "refunded": "30.01"},
        6: {"payable": "92.00", "held": "-8.00", "refunded": "100.00"},
        7: {"payable": "92.00", "held": "92.00"},
        8: {},
        9: {"payable": "92.00", "settled": "92.00"},
        10: {"payable": "92.00", "refunded": "89.00", "settled": "3.00"},
        11: {"payable": "92.00", "written_off": "92.00"},
        12: {"payable": "92.00", "held": "90.00", "written_off": "2.00"},
        13: {},
        14: {"payable": "29.00", "held": "29.00"},
    }
    (fees,) = pool.rows("SELECT sum(fees) AS fees FROM core.order_balances")
    assert fees["fees"] == Decimal("0.55")
    assert pool.failed_checks() == []
    (dollars,) = pool.rows(
        "SELECT DISTINCT amount_cny FROM core.ledger_entries WHERE currency = 'USD' AND account = 'platform'"
    )
    assert dollars["amount_cny"] == Decimal("205.32")  # 29.00 at 7.08, the rate since July


def test_a_presale_closed_after_its_deposit_owes_no_more(pool, write, state):
    deposit = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_NOPAID", "step_paid_fee": "20.00"}
    pool.land(write("taobao", state("1", status="unpaid")).changed(**deposit))
    pool.pool()
    pool.land(write("taobao", state("1", minutes=9, status="closed")).changed(pay_time=None, **deposit))
    pool.pool()
    order = pool.order("1")
    held, owed = str(order["paid_amount"]), str(order["payable_amount"] - order["paid_amount"])
    if order["paid_amount"]:
        assert classes(pool, "1") == {"payable": "92.00", "cancelled": owed, "held": held}
    else:
        assert classes(pool, "1") == {}
    assert pool.failed_checks() == []


def test_amounts_of_a_whole_order_are_shared_out_to_the_cent(pool, write, state, line):
    lines = (line("CUP-500-BL"), line("CUP-500-BL"), line("CUP-500-BL"))
    pool.land(write("taobao", state("1", lines=lines)), settled("1", "1", "-100.00", "退款"))
    pool.pool()
    due = {n: -amount for n, amount in by_line(pool, "1", "sales").items()}
    assert due == dict.fromkeys((1, 2, 3), Decimal("89.00"))
    assert sum(by_line(pool, "1", "shipping").values()) == Decimal("-8.00")
    assert by_line(pool, "1", "shipping") == {1: Decimal("-2.67"), 2: Decimal("-2.67"), 3: Decimal("-2.66")}
    assert by_line(pool, "1", "bank") == {1: Decimal("-33.34"), 2: Decimal("-33.33"), 3: Decimal("-33.33")}
    assert by_line(pool, "1", "receivable") == dict.fromkeys((1, 2, 3), Decimal(0))  # not only in all


def test_a_refund_of_a_line_is_that_lines(pool, write, state, line, refund):
    pool.land(
        write("taobao", state("1", lines=(line("CUP-500-BL"), line("GLS-WINE-2")))),
        refund("901", "1", 9, "refunded", line=2).changed(refund_fee="12.34"),
    )
    pool.pool()
    assert by_line(pool, "1", "refunds") == {2: Decimal("12.34")}
    (row,) = pool.rows("""SELECT DISTINCT "at" FROM core.ledger_entries WHERE account = 'refunds'""")
    assert row["at"] == START + timedelta(minutes=9)


def test_what_did_not_change_is_not_written_again(pool, write, state, refund):
    pool.land(write("taobao", state("1", minutes=5)), write("taobao", state("2", minutes=5)))
    assert pool.pool().tables["core.order_balances"] == 2
    pool.land(write("taobao", state("1", minutes=3, status="unpaid")), refund("901", "1", 9, "requested"))
    assert pool.pool().tables["core.ledger_entries"] == 0
    pool.land(settled("1", "2", "92.00"))
    assert pool.pool().tables["core.order_balances"] == 1


def test_a_corrected_line_leaves_the_order_it_named_first(pool, write, state):
    pool.land(write("taobao", state("1")), write("taobao", state("2")), settled("1", "1", "92.00"))
    pool.pool()
    pool.land(settled("1", "2", "92.00"))
    pool.pool()
    assert classes(pool, "1") == {"payable": "92.00", "held": "92.00"}
    assert classes(pool, "2") == {"payable": "92.00", "settled": "92.00"}


@pytest.mark.parametrize("change", ["DELETE FROM core.ledger_entries WHERE account = 'platform'",
                                    "DELETE FROM core.order_balances",
                                    "INSERT INTO core.ledger_entries FROM core.ledger_entries"])  # fmt: skip
def test_the_checks_see_a_ledger_that_is_wrong(pool, write, state, change):
    pool.land(write("taobao", state("1")))
    pool.pool()
    assert pool.failed_checks() == []
    with pool.run.writing("test"), pool.run.transaction("lake", "test"):
        pool.run.lake.execute(change)
    assert any(name.startswith(("ledger_balances", "every_cent")) for name in pool.failed_checks())


@given(
    whole=st.integers(-(10**9), 10**9),
    weights=st.lists(st.one_of(st.just(0), st.integers(-50, 10**7)), min_size=1, max_size=8),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shares_add_up_and_are_the_nearest_there_are(shares, whole, weights):
    got = shares(whole, weights)
    counted = [max(weight, 0) for weight in weights]
    counted = counted if sum(counted) else [1] * len(weights)
    exact = [Fraction(whole * weight, sum(counted)) for weight in counted]
    assert sum(got) == whole
    assert all(abs(one - true) < 1 for one, true in zip(got, exact, strict=True))
    gaps = [abs(true) - abs(one) for one, true in zip(got, exact, strict=True)]
    assert max(gaps) - min(gaps) <= 1  # nobody is a cent up while another with a larger remainder is not


@pytest.fixture(scope="module")
def shares(new_pool):
    pool = new_pool()
    return lambda whole, weights: pool.rows(
        "SELECT share_out($whole::HUGEINT, $weights::BIGINT[]) AS s", whole=whole, weights=weights
    )[0]["s"]


@st.composite
def histories(draw):
    """Orders of some lines in some states, cases, statement lines and write-offs, in the order they arrive."""
    events = []
    for number in map(str, range(1001, 1001 + draw(st.integers(2, 4)))):
        lines = draw(st.lists(st.sampled_from(["CUP-500-BL", "GLS-WINE-2", "NOT-IN-MASTER"]), min_size=1, max_size=4))
        platform = draw(st.sampled_from(["taobao", "taobao", "shopify"]))
        on_delivery = {"type": "cod", "pay_time": None}
        paying = draw(st.sampled_from([{}, {}, {"post_fee": "7.77"}, {"payment": "0.01"}, on_delivery]))
        for minute in range(draw(st.integers(1, 3))):
            status = draw(st.sampled_from(["unpaid", "paid", "shipped", "completed", "closed", "odd"]))
            events.append(("order", platform, number, minute + 1, status, tuple(lines), paying))
        amounts = st.sampled_from(["89.00", "0.01", "33.33", "500.00"])
        if platform == "taobao":
            for case in range(draw(st.integers(0, 2))):
                status = draw(st.sampled_from(["requested", "refunded", "refunded", "closed"]))
                events.append(("refund", f"9{number}{case}", number, 5 + case, status, draw(amounts)))
            if draw(st.booleans()):
                account = draw(st.sampled_from(["receivable", "platform"]))
                events.append(("write_off", f"w{number}", number, draw(amounts), account))
        for n in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from(["订单货款", "订单货款", "退款", "技术服务费", "??"]))
            sign = "-" if kind != "订单货款" else ""
            currency = draw(st.sampled_from(["CNY", "CNY", "USD"]))
            line_no = draw(st.sampled_from([f"{number}{n}", "shared"]))
            events.append(("settlement", platform, line_no, number, sign + draw(amounts), kind, currency))
    return draw(st.permutations(events))


@few
@given(history=histories(), cuts=st.lists(st.integers(1, 14), min_size=1, max_size=2), bite=st.integers(3, 9))
def test_any_history_balances_and_comes_to_the_same_bit_by_bit(
    new_pool, write, state, line, refund, history, cuts, bite
):
    at_once = new_pool()
    documents = [_document(at_once, event, write, state, line, refund) for event in history]
    at_once.land(*documents)
    at_once.pool()

    in_pieces = new_pool()
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True):
        in_pieces.land(*documents[start:end])
        in_pieces.pool(bite)
    assert in_pieces.failed_checks() == []
    first, second = at_once.hashes(), in_pieces.hashes()
    assert {name: first[name] for name in TABLES} == {name: second[name] for name in TABLES}

    entries = at_once.rows("FROM core.ledger_entries")
    assert all((row["debit"] > 0) != (row["credit"] > 0) and min(row["debit"], row["credit"]) == 0 for row in entries)
    of_cause, of_order = defaultdict(Decimal), defaultdict(Decimal)
    for row in entries:
        of_cause[row["order_id"], row["cause_kind"], row["cause_id"], row["line_no"]] += row["debit"] - row["credit"]
        of_order[row["order_id"], row["currency"], row["account"]] += row["debit"] - row["credit"]
    assert set(of_cause.values()) <= {0}  # each cause by itself, and each line of it
    # Conserved: what orders, cases and statements tell is what the accounts hold, told another way.
    orders = {row["order_id"]: row for row in at_once.rows("FROM core.orders WHERE NOT is_test")}
    told = defaultdict(Decimal)
    for order in orders.values():
        if order["status"] != "closed" or order["paid_amount"]:
            told[order["order_id"], order["currency"], "owed"] += order["payable_amount"]
    for case in at_once.rows("FROM core.refunds WHERE status = 'refunded' AND order_id IS NOT NULL"):
        told[case["order_id"], case["currency"], "refunds"] += case["amount"]
    for one in at_once.rows("FROM core.settlements WHERE order_id IS NOT NULL"):
        told[one["order_id"], one["currency"], "bank"] += one["amount"]
    booked = defaultdict(Decimal)
    for (order_id, currency, account), amount in of_order.items():
        if account in ("refunds", "bank"):
            booked[order_id, currency, account] += amount
        elif account in ("sales", "shipping", "tax", "rounding"):
            booked[order_id, currency, "owed"] -= amount
    assert {k: v for k, v in booked.items() if v} == {k: v for k, v in told.items() if v}


def _document(pool, event, write, state, line, refund):
    kind, *told = event
    if kind == "order":
        platform, number, minute, status, lines, paying = told
        document = write(platform, state(number, minutes=minute, status=status, lines=tuple(map(line, lines))))
        return document.changed(**paying) if platform == "taobao" else document
    if kind == "refund":
        number, of, minutes, status, amount = told
        return refund(number, of, minutes, status).changed(refund_fee=amount)
    if kind == "write_off":
        number, of, amount, account = told
        ask = {"at": START, "number": of}
        (row,) = pool.rows("SELECT order_id_of($at::TIMESTAMPTZ, 'taobao', 'taobao-hz', $number) AS id", **ask)
        return written_off(number, row["id"], of, amount, account)
    platform, number, of, amount, kind, currency = told
    return settled(number, of, amount, kind, platform, currency)
