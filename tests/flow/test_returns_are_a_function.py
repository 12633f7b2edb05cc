"""Returns told bit by bit or all at once come to the same, and nothing goes out or comes back twice."""

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.flow.after_sale_reports import AGREED, START, case_of, goods_in, land

few = settings(
    max_examples=2,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
TABLES = {
    "decision.returns": "return_id", "decision.return_lines": "return_id, order_id, line_no",
    "decision.refund_gates": "refund_id", "decision.reshipments": "parcel_id, line_no",
}  # fmt: skip
STATES = ["requested", AGREED, "refunded", "closed"]
ABOUT = [(1, "89.00"), (1, "178.00"), (2, "5.00"), (None, "9.00")]  # line and money of a case


@pytest.fixture(scope="session")
def case(refund):
    """case(number, of, minutes, status, kind, line, fee): an after-sale case of a kind."""
    return case_of(refund)


@st.composite
def histories(draw):
    """What is told of shipped orders, in the order it arrives: cases and their states, goods that come in, and what
    people grant and find; as (kind, order number, details)."""
    events = []
    for number in ("1001", "1002"):
        pieces = draw(st.integers(1, 3))
        events.append(("order", number, pieces))
        for n in range(draw(st.integers(0, 2))):
            kind = draw(st.sampled_from(["exchange", "refund", "return"]))
            line, fee = draw(st.sampled_from(ABOUT))
            states = draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=2))
            about = f"{number}{n}"
            events += [("case", number, (about, 200 + m, s, kind, line, fee)) for m, s in enumerate(states)]
            if draw(st.booleans()):
                good, bad = draw(st.integers(0, 2)), draw(st.integers(0, 1))
                events.append(("in", number, (about, good, bad, draw(st.booleans()))))
            if kind == "exchange" and draw(st.booleans()):
                events.append(("exchange", number, (about, draw(st.integers(1, 3)))))
            if draw(st.booleans()):
                events.append(("inspect", number, (about, draw(st.sampled_from(["passed", "failed"])))))
        granted = draw(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 3)), max_size=2))
        events += [("resend", number, (n, *lines)) for n, lines in enumerate(granted)]
        if draw(st.booleans()):
            events.append(("exchange", number, (None, draw(st.integers(1, 3)))))
    return draw(st.permutations(events))


@few
@given(history=histories(), cuts=st.lists(st.integers(1, 12), min_size=1, max_size=2))
def test_bit_by_bit_or_all_at_once_nothing_goes_or_comes_twice(new_pool, write, state, line, case, history, cuts):
    pool, other = new_pool(), new_pool()
    make = Documents(pool, write, state, line, case)
    documents = [make(event) for event in history]
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True):
        make.land(pool, documents[start:end])
        pool.pool()
        pool.decide()
    make.land(other, documents)
    other.pool()
    other.decide()
    for table, key in TABLES.items():
        query = f"FROM {table} ORDER BY {key}"
        assert pool.rows(query) == other.rows(query), table

    backs = pool.rows("SELECT params->>'return_id' AS id FROM outbox.instructions WHERE kind = 'return_order'")
    kinds = {row["return_id"]: row["kind"] for row in pool.rows("FROM decision.returns")}
    assert len({row["id"] for row in backs}) == len(backs)
    assert {kinds[row["id"]] for row in backs} <= {"return", "exchange", "recalled"}
    outs = pool.rows("SELECT params->>'parcel_id' AS id FROM outbox.instructions WHERE kind = 'pick_order'")
    assert len({row["id"] for row in outs}) == len(outs)
    planned = pool.rows("FROM decision.reshipments WHERE state = 'planned'")
    assert {row["parcel_id"] for row in planned} <= {row["id"] for row in outs}
    assert len({row["parcel_id"] for row in planned}) == len({row["review_id"] for row in planned})
    ordered = {number: pieces for kind, number, pieces in history if kind == "order"}
    for number, pieces in ordered.items():
        order_id = other.order(number)["order_id"]
        granted = sum(details[2] for kind, of, details in history if kind == "resend" and of == number)
        resent = [row["quantity"] for row in planned if row["order_id"] == order_id and row["kind"] == "resend"]
        assert sum(resent) <= granted and max(resent, default=0) <= pieces
        for parcel in {r["parcel_id"] for r in planned if r["order_id"] == order_id and r["kind"] == "exchange"}:
            lines = pool.rows("SELECT r.* FROM decision.returns r WHERE r.request_id = (SELECT any_value(review_id) "
                              "FROM decision.reshipments WHERE parcel_id = $id)", id=parcel)  # fmt: skip
            assert [row["state"] for row in lines] == ["received"]
            assert sum(r["quantity"] for r in planned if r["parcel_id"] == parcel) <= lines[0]["expected"]
    assert pool.failed_checks() == [] == other.failed_checks()
    pool.close()
    other.close()


class Documents:
    """Makes documents of events, and lands them."""

    def __init__(self, pool, write, state, line, case):
        self.pool, self.write, self.state, self.line, self.case = pool, write, state, line, case
        self.order = {n: self._id("taobao", n, START) for n in ("1001", "1002")}

    def _id(self, platform, number, at):
        ask = "SELECT make_id($at::TIMESTAMPTZ, $platform, $number) AS id"
        return self.pool.rows(ask, at=at, platform=platform, number=number)[0]["id"]

    def _return(self, about):
        return str(self._id("taobao:refund", about, START + timedelta(minutes=190)))

    def __call__(self, event):
        kind, number, details = event
        if kind == "order":
            lines = (self.line("CUP-500-BL", details), self.line("GLS-WINE-2", details))
            return self.write("taobao", self.state(number, 125, status="shipped", lines=lines))
        if kind == "case":
            about, minutes, status, sort, line, fee = details
            return self.case(about, number, minutes, status, sort, line, fee)
        if kind == "in":
            about, good, bad, final = details
            return goods_in(self.pool, self._return(about), ("CUP-500-BL", 2, good, bad), final=final)
        if kind == "resend":
            n, line, pieces = details
            return self._review(number, kind, f"r{number}{n}", {"lines": [{"line_no": line, "quantity": pieces}]})
        if kind == "inspect":
            about, verdict = details
            return self._review(number, kind, f"i{about}", {"return_id": self._return(about), "verdict": verdict})
        about, pieces = details
        of = {"refund_id": self._return(about)} if about else {}
        request = {"lines": [{"line_no": 1, "quantity": pieces}], **of}
        return self._review(number, kind, f"x{number}{about}", request)

    def _review(self, number, action, name, request):
        content = {"review_id": name, "order_id": str(self.order[number]), "platform_order_no": number,
                   "action": action, "actor": "周敏", "reason": "核实",
                   "decided_at": START.isoformat(), "request": request}  # fmt: skip
        return ("taobao", "taobao-hz", "review", name, START, content)

    def land(self, pool, documents):
        """Land in this order: documents of the platform, and others as they are."""
        rows = [
            d if isinstance(d, tuple) else (d.platform, "taobao-hz", d.kind, d.source_id, d.updated, json.loads(d.text))
            for d in documents
        ]
        land(pool, *rows)
