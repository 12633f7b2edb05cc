"""A person's decision about an order: it comes back through raw, covers what the person saw, and nothing else.

Most stories here are told side by side in one pool: a story yields what happens next to its order (documents, or a
decision), and goes on when everything has been pooled and decided.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orderpipe import flow
from orderpipe.errors import OrderpipeError
from orderpipe.flow import review
from orderpipe.flow.replay import replay
from orderpipe.lookup import order_timeline

VAGUE = "万达广场附近"
NEW = {"province": "广东省", "city": "深圳市", "district": "南山区", "address": "科技园路371号"}
CHEN = {"name": "陈晨", "phone": "13611112222"}
WHO = {"actor": "周敏", "reason": "电话核实"}


@dataclass
class Desk:
    """One order of the shared pool, and the reviewer's hand on it. minutes: when a decision is taken."""

    pool: Any
    number: str
    write: Callable
    state: Callable
    line: Callable

    def vague(self, minutes=1, address=VAGUE, pieces=1, **fields):
        """The order of a Taobao buyer, to an address nobody finds."""
        one = self.state(self.number, minutes, **{"lines": (self.line(quantity=pieces),), **fields})
        return self.write("taobao", one).changed(receiver_address=address)

    def decide(self, action, minutes=10, **more):
        at = self.pool.run.started_at + timedelta(minutes=minutes)
        return at, review.prepare(self.pool.run, self.number, action, **{**WHO, **more})

    def refused(self, action, **more):
        with pytest.raises(OrderpipeError) as refused:
            self.decide(action, **more)
        return str(refused.value)

    @property
    def order(self):
        return self.pool.order(self.number)

    @property
    def hold(self):
        return self.order["hold_status"]

    def rows(self, query):
        return self.pool.rows(query, id=self.order["order_id"])

    def instructed(self):
        return {row["kind"]: row["status"] for row in self.rows("FROM outbox.instructions WHERE order_id = $id")}

    def contact(self):
        return self.rows("FROM vault.pii.contacts WHERE order_id = $id")[0]


STORIES: dict[str, Callable[[Desk], Iterator]] = {}


def story(told: Callable[[Desk], Iterator]) -> None:
    STORIES[told.__name__] = told


@story
def an_approval_lets_the_order_go_and_the_same_flags_hold_it_no_more(desk):
    yield desk.vague()
    assert (desk.hold, desk.instructed()) == ("review", {})
    yield desk.decide("approve")
    assert desk.hold is None
    assert desk.instructed() == {"pick_order": "pending", "waybill": "pending"}
    yield desk.vague(30, message="快一点")  # comes again, nothing the rules ask has changed
    assert desk.hold is None


@story
def other_facts_open_it_again(desk):
    yield desk.vague(address="文三路88号", pieces=60)
    yield desk.decide("approve")
    assert desk.hold is None
    yield desk.vague(30, address="文三路88号", pieces=70)
    assert desk.hold == "review"
    assert [row["platform_order_no"] for row in flow.list_open(desk.pool.run.lake)].count(desk.number) == 1


@story
def another_address_opens_it_again_though_the_rules_see_the_same(desk):
    facts = "SELECT facts_hash FROM decision.risk_flags WHERE order_id = $id"
    yield desk.vague()
    seen = desk.rows(facts)
    yield desk.decide("approve")
    yield desk.vague(30, address="测试地址1号")
    assert (desk.rows(facts), desk.hold) == (seen, "review")


@story
def another_flag_opens_it_again(desk):
    yield desk.vague()
    yield desk.decide("approve")
    yield desk.vague(30, pieces=60)
    (row,) = [row for row in flow.list_open(desk.pool.run.lake) if row["platform_order_no"] == desk.number]
    assert row["rules"] == ["large_quantity"]  # the address was approved


@story
def an_approval_covers_what_the_reviewer_saw_and_no_more(desk):
    yield desk.vague(pieces=60)
    ready = desk.decide("approve")
    yield desk.vague(5, pieces=70)  # while the reviewer was on the phone
    yield ready
    assert desk.hold == "review"


@story
def a_rejection_holds_until_it_is_taken_back(desk):
    yield desk.vague()
    yield desk.decide("reject")
    assert desk.hold == "rejected"
    yield desk.vague(30, address="文三路88号")  # no rule asks any more
    assert (desk.hold, desk.instructed()) == ("rejected", {})
    assert desk.number not in {row["platform_order_no"] for row in flow.list_open(desk.pool.run.lake)}
    everything = {r["platform_order_no"]: r["state"] for r in flow.list_open(desk.pool.run.lake, everything=True)}
    assert everything[desk.number] == "rejected"
    yield desk.decide("approve", 40)
    assert (desk.hold, set(desk.instructed())) == (None, {"pick_order", "waybill"})


@story
def a_rejection_ends_what_was_approved_before_it(desk):
    yield desk.vague(pieces=60)
    yield desk.decide("approve", 10)
    yield desk.decide("reject", 20)
    assert desk.hold == "rejected"
    flags = desk.rows("SELECT rule_id, facts_hash FROM decision.risk_flags WHERE order_id = $id")
    yield desk.decide("approve", 30, covers=[flag for flag in flags if flag["rule_id"] == "vague_address"])
    assert desk.hold == "review"  # of the pieces nothing was said this time


@story
def the_newest_decision_counts_whatever_came_first(desk):
    yield desk.vague()
    early = desk.decide("approve", 20)
    yield desk.decide("reject", 30)
    yield early
    assert desk.hold == "rejected"


@story
def a_new_address_changes_route_receiver_and_flags(desk):
    yield desk.vague()
    before, rule = desk.order, "SELECT rule_id FROM decision.routes WHERE order_id = $id"
    assert desk.rows(rule) == [{"rule_id": "east_no_glass"}]
    yield desk.decide("readdress", address=NEW)
    after = desk.order
    assert (after["province"], after["city"], after["district"]) == ("广东省", "深圳市", "南山区")
    assert (after["hold_status"], after["missing_fields"], after["address_score"]) == (None, [], 0)
    assert after["address_key"] != before["address_key"]
    assert (after["phone_key"], after["customer_id"]) == (before["phone_key"], before["customer_id"])
    assert desk.rows("FROM decision.risk_flags WHERE order_id = $id") == []
    assert desk.rows(rule) == [{"rule_id": "everything_else"}]
    assert (desk.contact()["address"], desk.contact()["name"]) == ("科技园路371号", "王小明")
    assert json.loads(desk.contact()["platform_receiver"])["address"] == VAGUE


@story
def the_platform_repeating_itself_does_not_undo_a_new_address_but_another_one_does(desk):
    yield desk.vague()
    yield desk.decide("readdress", address=NEW)
    yield desk.vague(30, message="在吗")
    assert (desk.order["city"], desk.hold) == ("深圳市", None)
    yield desk.vague(40, address="龙井村口")
    assert (desk.order["city"], desk.hold) == ("杭州市", "review")
    contact = desk.contact()
    assert (contact["address"], contact["review_id"], contact["platform_receiver"]) == ("龙井村口", None, None)
    yield desk.vague(50)  # back to what was replaced
    assert (desk.order["city"], desk.hold) == ("深圳市", None)


@story
def a_hidden_receiver_that_moves_undoes_a_new_address(desk):
    yield desk.vague()
    yield desk.decide("readdress", address=NEW)
    yield desk.write("taobao", desk.state(desk.number, 30, masked=True, receiver=2))  # no more in clear, in Shanghai
    assert (desk.order["province"], desk.hold) == ("上海市", "missing_fields")


@story
def what_was_approved_with_a_new_address_ends_with_it(desk):
    yield desk.vague(pieces=60)
    yield desk.decide("readdress", address=NEW)
    assert desk.hold is None
    yield desk.vague(30, address="文三路99号", pieces=60)
    assert desk.hold == "review"


@story
def the_token_of_a_hidden_receiver_is_not_used_beside_a_new_address(desk):
    yield desk.write("taobao", desk.state(desk.number, masked=True, lines=(desk.line(quantity=60),)))
    customer = desk.order["customer_id"]
    assert "lacks name, phone" in desk.refused("readdress", address=NEW)
    yield desk.decide("readdress", address={**NEW, **CHEN})
    contact = desk.contact()
    assert (contact["oaid"], contact["tokens"], contact["phone"]) == (None, None, "13611112222")
    assert (desk.hold, desk.order["receiver_masked"], desk.order["customer_id"]) == (None, "陈*", customer)
    yield desk.write("taobao", desk.state(desk.number, 30, masked=True, lines=(desk.line(quantity=70),)))
    assert (desk.hold, desk.contact()["oaid"]) == ("review", None)
    assert "lacks name, phone" in desk.refused("readdress", address=NEW)  # the platform hides it as before


@story
def an_address_that_is_missing_can_be_given(desk):
    yield desk.write("shopify", desk.state(desk.number, masked=True))
    assert desk.hold == "missing_fields"
    yield desk.decide("readdress", address={**NEW, **CHEN})
    assert desk.hold is None


@story
def what_cannot_be_decided_is_refused(desk):
    yield desk.vague()
    assert "no action" in desk.refused("bless")
    assert "who and why" in desk.refused("approve", actor=" ")
    assert "who and why" in desk.refused("approve", reason="")
    assert "does not leave the country" in desk.refused("approve", warehouse="HZ")
    assert "by approve only" in desk.refused("reject", warehouse="HZ")
    assert "to readdress only" in desk.refused("approve", address=NEW)
    yield desk.vague(20, status="shipped")
    assert "shipped already" in desk.refused("reject")


@story
def an_order_that_does_not_wait_can_only_be_stopped(desk):
    yield desk.vague(address="文三路88号")
    assert "does not wait" in desk.refused("approve")
    assert "does not wait" in desk.refused("readdress", address=NEW)
    yield desk.decide("reject")
    assert (desk.hold, "does not wait" in desk.refused("readdress", address=NEW)) == ("rejected", True)


ADDRESSES = [
    ({**NEW, "address": "科技园附近"}, "vague"),
    ({**NEW, "address": "同上"}, "vague"),
    ({**NEW, "address": "**路1号"}, "masked"),
    ({**NEW, "province": "江南省"}, "province is not known"),
    ({**NEW, "country": "US"}, "another country"),
    ({**NEW, "phone": "secret"}, "phone is no number"),
    ({**NEW, "street": "x"}, "no street"),
    ({"address": "科技园路371号"}, "lacks city, province, district"),
    ({}, "lacks"),
]


@story
def an_address_that_would_not_do_is_refused_without_quoting_it(desk):
    yield desk.vague()
    for address, says in ADDRESSES:
        refused = desk.refused("readdress", address=address)
        assert says in refused
        assert not [value for name, value in address.items() if name not in ("country", "street") and value in refused]


@story
def an_order_leaves_the_country_from_the_warehouse_its_reviewer_named(desk):
    yield desk.write("shopify", desk.state(desk.number, country="DE"))
    assert desk.hold == "cross_border_review"
    assert "no warehouse is named" in desk.refused("approve")
    assert "no warehouse NOWHERE" in desk.refused("approve", warehouse="NOWHERE", force=True)
    (customs,) = desk.rows("FROM decision.customs WHERE order_id = $id")
    assert customs["status"] == "complete"
    yield desk.decide("approve", warehouse="FS")
    assert (desk.hold, desk.order["warehouse_id"], set(desk.instructed())) == (None, "FS", {"pick_order", "waybill"})
    assert desk.rows("SELECT warehouse_id FROM decision.parcels WHERE order_id = $id") == [{"warehouse_id": "FS"}]
    assert desk.rows("SELECT forced FROM decision.reviews WHERE order_id = $id") == [{"forced": False}]


@story
def an_export_with_incomplete_customs_data_needs_force_and_says_so(desk):
    yield desk.write("shopify", desk.state(desk.number, country="JP", masked=True))
    assert "customs data are incomplete" in desk.refused("approve", warehouse="FS")
    yield desk.decide("approve", warehouse="FS", force=True)
    assert desk.rows("SELECT forced, warehouse_id FROM decision.reviews WHERE order_id = $id") == [
        {"forced": True, "warehouse_id": "FS"}
    ]
    assert desk.hold == "missing_fields"  # force is for the customs office, not for the courier


@story
def the_timeline_tells_who_decided_what(desk):
    yield desk.vague()
    yield desk.decide("reject", 10)
    yield desk.decide("approve", 20)
    events = [e for e in order_timeline(desk.pool.settings, desk.number)["events"] if "review" in e["kind"]]
    told = [("held_for_review", "orderpipe"), ("review_rejected", "周敏"), ("review_approved", "周敏")]
    assert [(event["kind"], event["actor"]) for event in events] == told
    assert "电话核实" in events[1]["detail"]


@story
def no_address_leaves_the_vault(desk):
    address = {**NEW, "name": "欧阳修远", "phone": "13655556666", "address": "滨海大道2号18栋"}
    yield desk.vague()
    yield desk.decide("readdress", address=address, reason="欧阳修远 13655556666 要求改到滨海大道2号18栋")
    tables = ("core.orders", "core.order_versions", "core.order_events", "decision.reviews", "decision.routes",
              "decision.risk_flags", "outbox.instructions")  # fmt: skip
    stored = str([desk.pool.rows(f"FROM {table}") for table in tables])
    assert not [secret for secret in ("欧阳修远", "13655556666", "滨海大道") if secret in stored]


@pytest.fixture(scope="module")
def told(new_pool, write, state, line):
    """What became of every story: the error that ended it, where one did. And the pool."""
    pool = new_pool()
    running = {
        name: begin(Desk(pool, str(4_000_000 + n), write, state, line))
        for n, (name, begin) in enumerate(STORIES.items())
    }
    errors: dict[str, BaseException] = {}
    while running:
        documents, decisions = [], {}
        for name, one in list(running.items()):
            try:
                step = next(one)
            except StopIteration:
                del running[name]
                continue
            except (AssertionError, OrderpipeError) as error:
                errors[name] = error
                del running[name]
                continue
            if isinstance(step, tuple):
                decisions.setdefault(step[0], []).append(step[1])
            else:
                documents.append(step)
        if documents:
            pool.take(*documents)
        for at, reviews in sorted(decisions.items()):
            review.submit(pool.run, reviews, at)
    yield errors, pool
    pool.close()


@pytest.mark.parametrize("name", STORIES)
def test_a_story(told, name):
    errors, _ = told
    if name in errors:
        raise errors[name]


def test_everything_still_adds_up_and_replays(told, tmp_path_factory):
    _, pool = told
    assert pool.failed_checks() == []
    again = replay(pool.settings, tmp_path_factory.mktemp("replay") / "home", bite=7)
    assert [table.table for table in again if not table.same] == []


def test_who_waits_is_told_once_without_personal_data(told, people):
    _, pool = told
    alerts = pool.rows(
        "SELECT idempotency_key AS key, params->>'text' AS text FROM outbox.instructions WHERE kind = 'alert'"
    )
    ours = [alert for alert in alerts if alert["key"].startswith("alert:review:")]
    first = pool.order("4000000")
    (mine,) = [alert["text"] for alert in ours if f":{first['order_id']}:" in alert["key"]]
    assert mine.startswith("待人工复核：淘宝 taobao-hz 订单尾号 000000，地址过于模糊，可能无法投递，11-09 ")
    assert mine.endswith(f"http://127.0.0.1:8080/reviews/{first['order_id']}")
    reopened = pool.order("4000001")["order_id"]  # with other facts: told again
    assert len([alert for alert in ours if f":{reopened}:" in alert["key"]]) == 2
    secrets = [secret for person in people for secret in (person[0], person[1], person[5])]
    assert not [secret for secret in (*secrets, VAGUE, "4000000，") if secret in str(ours)]


# Documents as no console writes them: (fields, the rule that refuses it).
DOCUMENTS = [
    ({"order_id": "12"}, "review_order"),
    ({"order_id": "x"}, "review_order"),
    ({"action": "bless"}, "review_action"),
    ({"action": None}, "review_action"),
    ({"actor": " "}, "review_actor"),
    ({"reason": None}, "review_actor"),
    ({"decided_at": "soon"}, "review_time"),
    ({"decided_at": "2031-01-01T00:00:00Z"}, "review_time"),
    ({"review_id": None}, "review_id"),
    ({"action": "readdress"}, "review_address"),
    ({"action": "readdress", "address": "文三路88号"}, "review_address"),
    ({"action": "readdress", "replaced_key": "", "address": {**NEW, "address": "*"}}, "review_address"),
    ({"action": "readdress", "replaced_key": "", "address": NEW}, "review_address"),  # no country
    ({"action": "readdress", "address": {**NEW, "country": "CN"}}, "review_address"),  # replaces nobody knows what
    ({"covers": "everything", "address": [1], "forced": "maybe", "actor": 7, "reason": ["x"]}, None),
    ({"covers": [{"rule_id": "vague_address", "facts_hash": "0"}, 7, {"rule_id": None}]}, None),
]


def decision(pool, of, **fields):
    """A review as a document. of: the order's own document, pooled."""
    content = {
        "review_id": uuid.uuid4().hex, "order_id": str(pool.order(of.source_id)["order_id"]), "action": "approve",
        "platform_order_no": of.source_id, "decided_at": pool.run.started_at.isoformat(), "covers": [], **WHO, **fields,
    }  # fmt: skip
    text = json.dumps({name: value for name, value in content.items() if value is not None}, ensure_ascii=False)
    return replace(of, kind="review", source_id=f"{of.source_id}-{content['review_id']}", text=text)


def test_a_document_that_is_no_decision_is_set_aside(pool, write, state):
    orders = [write("taobao", state(f"50{n}")).changed(receiver_address=VAGUE) for n in range(10, 10 + len(DOCUMENTS))]
    pool.take(*orders)
    pool.land(*(decision(pool, order, **fields) for order, (fields, _) in zip(orders, DOCUMENTS, strict=True)))
    report = pool.pool()
    pool.decide()
    first = len(orders) + 1
    refused = {seq - first: rule for rule, seqs in report.quarantine.items() for seq in seqs}
    assert refused == {n: rule for n, (_, rule) in enumerate(DOCUMENTS) if rule}
    assert {row["hold_status"] for row in pool.rows("FROM core.orders")} == {"review"}
    assert pool.failed_checks() == []


def test_a_decision_waits_for_its_order(new_pool, told, write, state):
    _, known = told
    one = write("taobao", state("4000000")).changed(receiver_address=VAGUE)
    order_id = known.order("4000000")["order_id"]
    flags = known.rows("SELECT rule_id, facts_hash FROM decision.risk_flags WHERE order_id = $id", id=order_id)
    pool = new_pool()
    pool.take(decision(known, one, covers=flags))
    assert (pool.rows("FROM core.orders"), len(pool.rows("FROM decision.reviews"))) == ([], 1)
    pool.take(one)
    assert pool.order("4000000")["hold_status"] is None
    assert pool.failed_checks() == []
    pool.close()


STATES = ("vague", "vague", "other", "clear", "masked", "moved", None)
ACTIONS = ("approve", "reject", "late reject", "readdress", "readdress 2", None)


# A number is drawn and not the plan itself: an example takes seconds, and the first one would always be the simplest.
@pytest.mark.long
@settings(
    max_examples=1, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck)
)
@given(seed=st.integers(1, 2**32), bite=st.integers(3, 9))
def test_documents_and_decisions_in_any_order_and_pieces_come_to_the_same(
    new_pool, write, state, line, tmp_path_factory, seed, bite
):
    shuffle = Random(seed)
    plans = [[(shuffle.choice(STATES), shuffle.choice(ACTIONS)) for _ in range(2)] for _ in range(12)]
    pool = new_pool()
    desks = [Desk(pool, str(1001 + n), write, state, line) for n in range(len(plans))]
    for step in range(2):
        steps = [(desk, plan[step]) for desk, plan in zip(desks, plans, strict=True)]
        if documents := [_document(desk, 10 * step + 1, kind) for desk, (kind, _) in steps if kind]:
            pool.take(*documents)
        decisions = [_decision(desk, action) for desk, (_, action) in steps if action]
        for late in (False, True):
            at = pool.run.started_at + timedelta(minutes=10 * step + (-25 if late else 5))
            review.submit(pool.run, [ready for ready, is_late in filter(None, decisions) if is_late == late], at)
    assert pool.failed_checks() == []

    # Bit by bit as they came, and all at once: not a byte differs.
    same = replay(pool.settings, tmp_path_factory.mktemp("replay") / "home", bite=bite)
    assert [table.table for table in same if not table.same] == []

    # In another order: the numbers of documents differ, and nothing else.
    landed = [
        replace(_document(desks[0], 1, "clear"), kind=row["kind"], source_id=row["source_id"],
                updated=row["source_updated_at"], text=row["payload"])
        for row in pool.rows("FROM vault.raw.payloads ORDER BY seq")
    ]  # fmt: skip
    shuffle.shuffle(landed)
    other = new_pool()
    for part in (landed[: len(landed) // 2], landed[len(landed) // 2 :]):
        other.take(*part)
    for table in ("core.orders", "core.order_events", "decision.reviews", "decision.routes", "decision.risk_flags",
                  "vault.pii.contacts"):  # fmt: skip
        columns = "* EXCLUDE (source_seq)"
        if table == "vault.pii.contacts":
            columns = "* EXCLUDE (source_seq, receiver_seq, tokens_seq, place_seq)"
        ours, theirs = ({str(row) for row in one.rows(f"SELECT {columns} FROM {table}")} for one in (pool, other))
        assert ours == theirs, table
    pool.close()
    other.close()


def _document(desk, minutes, kind):
    if kind in ("vague", "other"):
        return desk.vague(minutes, address=VAGUE if kind == "vague" else "龙井村口")
    hidden = {"clear": {}, "masked": {"masked": True}, "moved": {"masked": True, "receiver": 1}}[kind]
    return desk.write("taobao", desk.state(desk.number, minutes, **hidden))


def _decision(desk, action):
    """The decision and whether it is late; None when there is nothing to decide."""
    verb = action.removeprefix("late ").removesuffix(" 2")
    address = {**NEW, **CHEN} | ({"address": "深南大道1号"} if action.endswith("2") else {})
    try:
        _, ready = desk.decide(verb, **({"address": address} if verb == "readdress" else {}))
    except OrderpipeError:
        return None
    return ready, action.startswith("late")
