"""Verify the dispatch: hold the outbox against what the receivers themselves say they hold, and name every difference.

The warehouse and the courier are asked parcel by parcel, the platforms by what their documents show since. The chain of
receipts is followed from its beginning. Nothing is changed.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orderpipe.dispatch import bodies
from orderpipe.dispatch.kuaidi100 import Kuaidi100Client
from orderpipe.dispatch.outcome import ACKNOWLEDGED, REJECTED
from orderpipe.dispatch.qimen import GIVEN_UP, QimenClient
from orderpipe.dispatch.receipts import Chain, chains
from orderpipe.errors import PlatformError
from orderpipe.flow.run import Run
from orderpipe.lake import models

# What the ledger says of an effect: it is there, it is not (or not any more), or an answer is still awaited.
HELD, ABSENT, OPEN = "held", "absent", "open"


@dataclass(frozen=True)
class Difference:
    """Where ledger and receiver disagree. ledger, receiver: what each says; what: the harm in a few words."""

    receiver: str
    effect: str
    order_id: int
    ledger: str
    found: str
    what: str


@dataclass
class DispatchVerified:
    """What a verification found. compared: effects asked for, by receiver; unclear: those a receiver gave no answer
    about, with why."""

    compared: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        broken = [chain for chain in self.chains if chain.broken_at is not None]
        return not (self.differences or self.unclear or broken)


def verify_dispatch(run: Run, since: datetime) -> DispatchVerified:
    """Compare every effect decided on since (UTC) with its receiver. Raises ConfigError when a receiver cannot be asked
    at all."""
    found = DispatchVerified(chains=chains(run.lake))
    run.lake.execute("CREATE OR REPLACE TABLE work.verifying AS SELECT $since::TIMESTAMPTZ AS since", {"since": since})
    models.build(run.lake, "outbox/effects", "work.effects")
    rows = run.lake.execute("FROM work.effects ORDER BY receiver, effect").to_arrow_table().to_pylist()
    for receiver, ask in (("wms", _ask_warehouse), ("courier", _ask_courier)):
        mine = [row for row in rows if row["receiver"] == receiver]
        found.compared[receiver] = len(mine)
        if mine:
            _compare(run, receiver, mine, ask, found)
    told = [row for row in rows if row["receiver"] == "platforms"]
    found.compared["platforms"] = len(told)
    found.differences += [_difference(row, row["found"]) for row in told if row["found"] != row["ledger"]]
    return found


def _compare(run: Run, receiver: str, rows: list[dict[str, Any]], ask: Callable, found: DispatchVerified) -> None:
    settings = run.settings.receivers[receiver]
    with (
        closing((QimenClient if receiver == "wms" else Kuaidi100Client)(settings, run.clock)) as client,
        ThreadPoolExecutor(settings.workers) as pool,
    ):
        for row, (says, problem) in zip(rows, pool.map(lambda row: _asked(ask, run, client, row), rows), strict=True):
            if problem:
                found.unclear.append(f"{receiver}, {row['effect']}: {problem}")
            elif row["ledger"] != OPEN and says != row["ledger"]:
                found.differences.append(_difference(row, says))


def _asked(ask: Callable, run: Run, client, row: dict[str, Any]) -> tuple[str, str]:
    try:
        return ask(run, client, row), ""
    except PlatformError as error:
        return "", str(error)


def _ask_warehouse(run: Run, client: QimenClient, row: dict[str, Any]) -> str:
    warehouse = run.settings.warehouses[row["warehouse_id"]]
    status = client.status_of(bodies.reference(row["parcel_id"]), warehouse.wms_code)
    return ABSENT if status is None or status in GIVEN_UP else HELD


def _ask_courier(run: Run, client: Kuaidi100Client, row: dict[str, Any]) -> str:
    held = client.find_label(bodies.reference(row["parcel_id"]))
    if held.status == REJECTED:
        return ABSENT
    if held.status != ACKNOWLEDGED:
        raise PlatformError(held.error or "no clear answer")
    if held.receipt.get("status") == "cancelled":
        return ABSENT
    number = held.receipt.get("kuaidinum")
    return HELD if row["number"] in (None, number) else f"{HELD} under another number, {number}"


def _difference(row: dict[str, Any], says: str) -> Difference:
    return Difference(row["receiver"], row["effect"], row["order_id"], row["ledger"], says, _harm(row, says))


def _harm(row: dict[str, Any], says: str) -> str:
    if row["receiver"] == "platforms":
        return "平台未显示该发货" if row["ledger"] == HELD else "平台显示了未登记的发货"
    if says == HELD:
        return "对方仍持有，可能多发或误发"
    if says == ABSENT:
        return "对方没有，可能漏发"
    return "运单号不一致，可能重复购买面单"


def lines(found: DispatchVerified) -> Iterator[str]:
    """The result as text, a line each."""
    for receiver, count in found.compared.items():
        wrong = sum(d.receiver == receiver for d in found.differences)
        yield f"{receiver}: {count} effects compared, {wrong} differ"
    for d in found.differences:
        yield f"  {d.receiver} {d.effect} (order {d.order_id}): ledger {d.ledger}, receiver {d.found} — {d.what}"
    for text in found.unclear:
        yield f"  no answer: {text}"
    for chain in found.chains:
        state = "whole" if chain.broken_at is None else f"BROKEN at receipt {chain.broken_at}"
        yield f"receipts of {chain.receiver}: {chain.length}, {state}, head {chain.head[:16]}"
