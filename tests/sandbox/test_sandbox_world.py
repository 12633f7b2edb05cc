"""The world is a function of seed and clock; it holds what it says it holds; it comes and goes at once."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderpipe.sandbox import people
from orderpipe.sandbox.model import allocate, cents, money

ROOT = Path(__file__).parents[2]
HOUR = 3600


# ---- a function of seed and clock


def test_the_same_seed_and_the_same_time_give_the_same_truth_however_one_looks(sandbox, caller):
    options = {"seed": 11, "orders_per_hour": 40, "history": 2, "pace": 8}
    at_once, looked_at = sandbox(**options), sandbox(**options)
    at_once.step(6 * HOUR)
    talk = caller(looked_at)
    for minutes in (1, 0, 29, 30, 60, 7, 113, 60, 60):
        looked_at.step(minutes * 60)
        looked_at.truth("shopify-us")
        talk.increment(talk.gmt8(900), talk.gmt8())
    assert looked_at.now() == at_once.now()
    first, second = at_once.truth(), looked_at.truth()
    assert first == second and len(first) > 500
    assert at_once.personal() == looked_at.personal()


def test_another_seed_is_another_world(sandbox):
    options = {"orders_per_hour": 20, "history": 1}
    one, two = sandbox(seed=1, **options), sandbox(seed=2, **options)
    assert one.truth() != two.truth()
    assert two.control("POST", "reset", seed=1) == {"seed": 1}
    assert one.truth() == two.truth()


def test_orders_live_from_birth_to_completion(sandbox):
    world = sandbox(orders_per_hour=20, history=24, pace=10)
    orders = world.truth()
    assert {order["status"] for order in orders} == {
        "pending_payment", "paid", "shipped", "completed", "after_sale", "closed",
    }  # fmt: skip
    for order in orders:
        times = [order[name] for name in ("created", "paid", "shipped", "completed") if order[name]]
        assert times == sorted(times)
        assert order["modified"] == max(order["modified"], *times)
        assert (order["status"] == "shipped") <= (order["shipped"] is not None)
    assert len({order["buyer"] for order in orders}) < len(orders) * 0.8  # people come back


def test_by_default_paid_orders_wait_for_hours_before_a_hand_ships_them(sandbox):
    world = sandbox(orders_per_hour=60, history=3.9)
    assert not any(order["shipped"] for order in world.truth())
    assert sum(order["status"] == "paid" for order in world.truth()) > 200


def test_the_flow_of_new_orders_can_be_stopped_and_started(sandbox):
    world = sandbox(orders_per_hour=30, history=1)
    assert len(world.truth("taobao-hz")) == 30
    world.control("POST", "settings", orders_per_hour=0)
    world.step(10 * HOUR)
    assert len(world.truth("taobao-hz")) == 30
    world.control("POST", "settings", orders_per_hour=120)
    world.step(HOUR)
    orders = world.truth("taobao-hz")
    assert len(orders) == 150 and len({order["platform_order_no"] for order in orders}) == 150


def test_orders_made_by_hand_stay_as_they_are_until_they_are_moved(sandbox):
    world = sandbox()
    wishes = {"province": "浙江省", "skus": ["GLS-JUG-1L"], "message": "轻放", "address": "某某小区门口"}
    [order] = world.orders("taobao-hz", state="paid", **wishes)
    before = world.truth()[0]
    assert before["receiver"]["province"] == "浙江省" and before["receiver"]["vague"] is True
    assert [line["sku"] for line in before["lines"]] == ["GLS-JUG-1L"] and before["buyer_message"] == "轻放"
    world.step(30 * 24 * HOUR)
    assert world.truth()[0] == before
    for to in ("shipped", "completed"):
        assert world.advance(order, to)["status"] == to
    with pytest.raises(httpx.HTTPStatusError) as refused:
        world.advance(order, "paid")
    assert refused.value.response.status_code == 409


def test_an_unknown_status_is_shown_and_taken_back(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    truth = world.control("POST", f"orders/{order}/status", platform_status="BRAND_NEW_STATUS")
    assert truth["status"] == "unknown" and talk.trade(order)["status"] == "BRAND_NEW_STATUS"
    world.control("POST", f"orders/{order}/status", platform_status=None)
    assert talk.trade(order)["status"] == "WAIT_SELLER_SEND_GOODS"


@pytest.mark.parametrize(
    "body",
    [
        {"shop": "nowhere"},
        {"shop": "taobao-hz", "skus": ["NO-SUCH-SKU"]},
        {"shop": "taobao-hz", "province": "Atlantis"},
        {"shop": "taobao-hz", "state": "lost"},
        {"shop": "taobao-hz", "colour": "red"},
    ],
)
def test_an_order_that_cannot_be_is_refused_in_words(sandbox, body):
    world = sandbox()
    answer = world.http.post(f"{world.url}/_control/orders", json=body)
    assert answer.status_code == 400 and answer.json()["error"]


# ---- the clock


def test_the_clock_steps_jumps_and_never_runs_back(sandbox):
    world = sandbox(start="2026-11-09T02:00:00Z")
    assert world.now().startswith("2026-11-09T02:00:00")
    assert world.step(90).startswith("2026-11-09T02:01:30")
    assert world.control("POST", "clock", set="2026-11-11T00:00:00Z")["now"].startswith("2026-11-11T00:00:00")
    for back in ({"step": -1}, {"set": "2026-11-10T00:00:00Z"}, {"rate": -1}, {}):
        with pytest.raises(httpx.HTTPStatusError):
            world.control("POST", "clock", **back)
    assert world.control("POST", "clock", rate=1000)["rate"] == 1000
    first = world.now()
    while world.now()[:19] == first[:19]:  # at this rate a second passes in a millisecond
        pass


# ---- personal data


def test_every_personal_text_an_order_holds_is_in_the_list_for_leak_scanners(sandbox):
    world = sandbox(orders_per_hour=60, history=6, pace=4)
    planted = world.personal()
    assert all(len(values) > 0 for values in planted.values())
    for order in world.truth():
        receiver = order["receiver"]
        assert receiver["name"] in planted["names"] and receiver["phone"] in planted["phones"]
        assert receiver["address"] in planted["addresses"]
        assert order["ip"] is None or order["ip"] in planted["ips"]
        assert order["id_number"] is None or order["id_number"] in planted["id_numbers"]
        for note in (order["buyer_message"], order["seller_memo"]):
            for digits in re.findall(r"(?<!\d)1[3-9]\d{9}(?!\d)|\d{17}[\dX]|\+\d{11,}", note):
                assert digits in planted["phones"] + planted["id_numbers"]
    notes = [order["buyer_message"] + order["seller_memo"] for order in world.truth()]
    assert any(phone in note for note in notes for phone in planted["phones"])


@given(st.randoms(use_true_random=False))
def test_invented_identity_numbers_pass_their_own_checks(rng):
    number = people.id_number(rng)
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    assert "10X98765432"[sum(int(d) * w for d, w in zip(number[:17], weights, strict=True)) % 11] == number[17]
    digits = [int(char) for char in people.cpf(rng) if char.isdigit()]
    for length in (9, 10):
        rest = sum(d * w for d, w in zip(digits[:length], range(length + 1, 1, -1), strict=True)) * 10 % 11 % 10
        assert rest == digits[length]


# ---- money


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=30), st.floats(0, 1))
def test_a_discount_is_shared_out_to_the_cent_and_no_line_goes_below_zero(weights, part):
    amount = int(sum(weights) * part)
    shares = allocate(amount, weights)
    assert sum(shares) == amount
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))


@given(st.integers(-(10**12), 10**12))
def test_money_text_reads_back_as_itself(amount):
    assert cents(money(amount)) == amount


# ---- the process


def test_it_stops_at_once_even_in_the_middle_of_a_hanging_call(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    window = {"fields": "tid", "start_modified": talk.gmt8(60), "end_modified": talk.gmt8()}
    world.fault("taobao", "hang", seconds=600)
    talk.http = httpx.Client(timeout=600, trust_env=False)

    def call() -> None:
        with contextlib.suppress(httpx.TransportError):
            talk.top_raw("taobao.trades.sold.increment.get", **window)

    hanging = threading.Thread(target=call)
    hanging.start()
    while not world.control("GET", "faults")[0]["fired"]:
        pass
    assert world.stop() == 0
    hanging.join(timeout=30)
    assert not hanging.is_alive()


def test_it_prints_the_credentials_it_accepts(sandbox):
    command = [sys.executable, "-m", "orderpipe.sandbox", "--env"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ})
    lines = dict(line.split("=", 1) for line in printed.stdout.splitlines())
    assert lines == sandbox().credentials


def test_the_front_page_names_what_is_served(sandbox):
    world = sandbox()
    page = world.http.get(world.url).text
    paths = ("/taobao/router/rest", "/qimen/router/qimen/service", "/kuaidi100/label/order", "/dingtalk/robot/send")
    assert all(path in page for path in paths)


def test_it_shares_no_code_with_the_clients_it_tests():
    sources = [path.read_text("utf-8") for path in (ROOT / "orderpipe" / "sandbox").glob("*.py")]
    imported = {
        name for source in sources for name in re.findall(r"^\s*(?:from|import) (orderpipe[\w.]*)", source, re.M)
    }
    assert imported and all(name.startswith("orderpipe.sandbox") for name in imported)


def test_control_answers_are_json_and_mistakes_are_explained(sandbox):
    world = sandbox()
    answer = world.http.post(f"{world.url}/_control/clock", content=b"not json")
    assert answer.status_code == 400 and "not JSON" in json.loads(answer.text)["error"]
    assert world.http.post(f"{world.url}/_control/orders/1/advance", json={"to": "paid"}).status_code == 404
