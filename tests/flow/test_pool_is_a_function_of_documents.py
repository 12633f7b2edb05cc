"""The pool is a function of the documents: neither pieces nor arrival order show, and a plain fold gives the same."""

import hashlib
import hmac
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.flow.replay import replay
from orderpipe.lookup import order_timeline

few = hypothesis_settings(
    max_examples=3,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # an example takes seconds: no shrinking
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

LINES = st.lists(
    st.tuples(
        st.sampled_from(["CUP-500-BL", "GLS-WINE-2", "NOT-IN-MASTER", None]),
        st.integers(1, 3),
        st.sampled_from(["none", "none", "requested", "refunded", "closed"]),
    ),
    min_size=1, max_size=2,
)  # fmt: skip
STATE = st.fixed_dictionaries(
    {
        "status": st.sampled_from(
            ["unpaid", "paid", "paid", "held", "part_shipped", "shipped", "completed", "closed", "odd"]
        ),
        "lines": LINES,
        "receiver": st.integers(0, 2),
        "masked": st.booleans(),
        "buyer": st.sampled_from(["7", "8", None]),
        "message": st.sampled_from([None, "请联系王小明 13812345678", "谢谢"]),
    }
)


@st.composite
def histories(draw, most_orders: int):
    """Orders of both platforms with states at different minutes, and cases; in the order they happen to arrive."""
    found = []
    for number in range(1, draw(st.integers(1, most_orders)) + 1):
        platform = draw(st.sampled_from(["taobao", "shopify"]))
        minutes = draw(st.lists(st.integers(1, 500), min_size=1, max_size=4, unique=True))
        found += [("order", platform, str(1000 + number), minute, draw(STATE)) for minute in minutes]
        if platform == "taobao":
            minutes = draw(st.lists(st.integers(2, 500), max_size=2, unique=True))
            statuses = st.sampled_from(["requested", "refunded", "closed", "WAIT_BUYER_RETURN_GOODS", "ODD"])
            found += [("refund", platform, str(1000 + number), minute, draw(statuses)) for minute in minutes]
    return draw(st.permutations(found))


@pytest.fixture(scope="session")
def documents(write, state, line, refund):
    """documents(history): states (None for cases) and documents."""

    def make(history):
        made = []
        for kind, platform, number, minute, content in history:
            if kind == "refund":
                made.append((None, refund(f"9{number}", number, minute, content)))
                continue
            lines = tuple(line(*values) for values in content["lines"])
            one = state(number, minute, **{**content, "lines": lines})
            made.append((one, write(platform, one)))
        return made

    return make


@pytest.mark.long
@few
@given(history=histories(4), bite=st.sampled_from([2, 3]), cuts=st.lists(st.integers(1, 12), max_size=1))
def test_the_pieces_a_pool_works_in_do_not_show(new_pool, documents, tmp_path_factory, history, bite, cuts):
    made = [document for _, document in documents(history)]
    pool = new_pool()
    for start, end in zip([0, *cuts], [*cuts, None], strict=True):
        pool.land(*made[start:end])
        pool.pool(bite)
        pool.decide()
    assert pool.failed_checks() == []
    whole = replay(pool.settings, tmp_path_factory.mktemp("replay") / "home")
    assert [table.table for table in whole if not table.same] == []
    pool.close()


def test_one_document_at_a_time_gives_what_all_at_once_gives(new_pool, documents, tmp_path_factory):
    state = {"status": "paid", "lines": [("CUP-500-BL", 1, "none")], "receiver": 0, "masked": False, "buyer": "7"}
    history = [
        ("order", "taobao", "1001", 30, {**state, "masked": True}),
        ("refund", "taobao", "1001", 20, "requested"),
        ("refund", "taobao", "1001", 40, "closed"),
        (
            "order",
            "shopify",
            "1002",
            20,
            {**state, "lines": [("GLS-WINE-2", 2, "refunded"), ("CUP-500-BL", 1, "none")]},
        ),
        ("order", "shopify", "1002", 10, {**state, "buyer": None}),  # late, and of a guest
        ("order", "taobao", "1001", 10, state),  # late and clear, and nothing comes after it
    ]
    pool = new_pool()
    pool.land(*(document for _, document in documents(history)))
    pool.pool(1)
    pool.decide()
    whole = replay(pool.settings, tmp_path_factory.mktemp("replay") / "home")
    assert [table.table for table in whole if not table.same] == []
    assert {table.table: table.rows for table in whole}["core.order_versions"] == 4


def test_a_buyer_who_turns_out_to_be_another_leaves_no_ghost_behind(new_pool, write, state, tmp_path_factory):
    pool = new_pool()
    for minute, buyer in ((1, None), (2, "7")):
        pool.take(write("shopify", state("1001", minute, buyer=buyer)))
    assert [row["order_count"] for row in pool.rows("FROM core.customers")] == [1]
    assert all(table.same for table in replay(pool.settings, tmp_path_factory.mktemp("replay") / "home"))


def test_a_timeline_tells_a_refund_inside_an_order_once(new_pool, write, state, line):
    pool = new_pool()
    lines = (line("GLS-WINE-2", refund="refunded"), line(refund="refunded"), line())
    pool.take(write("shopify", state("1001", 5, lines=lines)))
    events = order_timeline(pool.settings, "1001")["events"]
    assert [event["kind"] for event in events if event["actor"] == "buyer"] == [
        "ordered",
        "paid",
        *["refund_changed"] * 2,
    ]
    assert len({str(event) for event in events}) == len(events)


# What a table says, without what only tells which delivery said it.
CONTENT = {
    "core.orders": "* EXCLUDE (source_seq)",
    "core.order_items": "* EXCLUDE (source_seq)",
    "core.order_discounts": "* EXCLUDE (source_seq)",
    "core.shipments": "* EXCLUDE (source_seq)",
    "core.refunds": "* EXCLUDE (source_seq)",
    "core.customers": "*",
    "core.order_versions": "* EXCLUDE (source_seq)",
    "core.order_events": "* EXCLUDE (source_seq)",
    "decision.routes": "* EXCLUDE (source_seq)",
    "vault.pii.contacts": "* EXCLUDE (source_seq, receiver_seq, tokens_seq, place_seq)",
}


@few
@given(history=histories(6), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_show_and_a_plain_fold_agrees(new_pool, documents, people, history, shuffle):
    made = documents(history)
    pool, other = new_pool(), new_pool()
    pool.take(*(document for _, document in made))
    shuffled = list(made)
    shuffle.shuffle(shuffled)
    for part in (shuffled[: len(made) // 2], shuffled[len(made) // 2 :]):
        other.take(*(document for _, document in part))
    for table, columns in CONTENT.items():
        ours, theirs = ({str(row) for row in one.rows(f"SELECT {columns} FROM {table}")} for one in (pool, other))
        assert ours == theirs, table

    for number in {state.number for state, _ in made if state}:
        mine = [(state, document.platform) for state, document in made if state and state.number == number]
        compare(pool, people, *folded(mine))
    pool.close()
    other.close()


def folded(states: list) -> tuple:
    """The newest state, the newest that shows its receiver in clear (else the newest), and the platform."""
    newest, platform = max(states, key=lambda pair: pair[0].updated)
    clear = [state for state, _ in states if not state.masked]
    return newest, max(clear, key=lambda state: state.updated) if clear else newest, platform


def expected_status(state, platform: str) -> str:
    refunds = [line.refund for line in state.lines]
    simple = {"unpaid": "pending_payment", "held": "paid", "part_shipped": "paid", "odd": "unknown"}
    status = simple.get(state.status, state.status)
    if platform == "taobao":
        return (
            status if status in ("closed", "unknown", "pending_payment") or "requested" not in refunds else "after_sale"
        )
    if status != "closed" and "requested" in refunds:
        return "after_sale"
    if status not in ("unknown", "pending_payment") and set(refunds) == {"refunded"}:
        return "closed"
    return status


PRICES = {
    "taobao": {"CUP-500-BL": "89.00", "GLS-WINE-2": "128.00"},
    "shopify": {"CUP-500-BL": "24.00", "GLS-WINE-2": "32.00"},
}


def compare(pool, people, newest, receiver, platform: str) -> None:
    """The pool's row of an order against its newest state and its receiver."""
    row = pool.order(newest.number)
    other_price = "10.00" if platform == "taobao" else "3.00"
    goods = sum(Decimal(PRICES[platform].get(line.sku, other_price)) * line.quantity for line in newest.lines)
    payable = goods + (3 if platform == "taobao" else 5)  # postage less discount
    paid_known = newest.is_paid and not (platform == "shopify" and newest.status == "odd")
    name, phone, *address = people[receiver.receiver]
    _, _, province, city, *_ = people[newest.receiver]
    address_known = address[:2] == [province, city]
    if platform == "taobao":
        shown_phone = "*******" + phone[-4:] if receiver.masked else f"{phone[:3]}****{phone[-4:]}"
        reachable = not receiver.masked or newest.masked  # the newest document's token stands for what it hides
    else:
        shown_phone = None if receiver.masked else f"+86****{phone[-4:]}"
        reachable = not receiver.masked
    missing = set()
    if not reachable:
        missing |= {"phone", "address"}
    if not address_known:
        missing.add("address")
    if any(line.sku is None and line.refund != "refunded" for line in newest.lines):
        missing.add("sku")
    expected = {
        "status": expected_status(newest, platform),
        "updated_at": newest.updated,
        "ordered_at": newest.ordered,
        "paid_at": newest.ordered + timedelta(seconds=30) if paid_known else None,
        "shipped_at": newest.ordered + timedelta(hours=2)
        if newest.status in ("part_shipped", "shipped", "completed")
        else None,
        "completed_at": newest.ordered + timedelta(hours=9) if newest.status == "completed" else None,
        "goods_amount": goods,
        "payable_amount": payable,
        "paid_amount": payable if newest.is_paid else 0,
        "buyer_id": newest.buyer,
        "province": province,
        "city": city,
        "receiver_masked": name[0] + "**"
        if receiver.masked and platform == "taobao"
        else name[0] + "*" * (len(name) - 1),
        "phone_masked": shown_phone,
        "phone_key": None if receiver.masked else phone_key(pool, phone),
        "missing_fields": sorted(missing),
    }
    assert {name: row[name] for name in expected} == expected
    items = pool.rows("FROM core.order_items WHERE order_id = $id ORDER BY line_no", id=row["order_id"])
    assert [(item["sku"], item["quantity"], item["ship_quantity"]) for item in items] == [
        (line.sku, line.quantity, 0 if line.refund == "refunded" else line.quantity) for line in newest.lines
    ]


def phone_key(pool, phone: str) -> str:
    return hmac.new(pool.settings.pii_key, phone.encode(), hashlib.sha256).hexdigest()[:32]
