"""What the platforms are told, through their own clients, shop by shop: listings off and on sale, parcels that left.

A write says how things must stand, so repeating it is harmless; where the platform can be read, a write whose end is
unknown is read before it is repeated. It is tried until the platform confirms: a listing that stays on sale without
stock is oversold, and an order whose parcel left is fined when the platform does not hear of it.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from orderpipe.clock import Clock
from orderpipe.config import Receiver, Settings
from orderpipe.dispatch import listings
from orderpipe.dispatch.outcome import ACKNOWLEDGED, REJECTED, RETRY, Outcome
from orderpipe.errors import ConfigError, PlatformError
from orderpipe.lake import models
from orderpipe.lake.reference import load_reference
from orderpipe.platforms import Client, Refused, TokenStore, open_client

SHIP = "ship_confirmation"
LONGEST_RETRY = timedelta(minutes=10)
SHOPS_AT_ONCE = 8


def receiver(settings: Settings) -> Receiver:
    """The shops as one receiver; what stands in their way is found shop by shop."""
    workers = min(max(len(settings.shops), 1), SHOPS_AT_ONCE)
    return Receiver(name="platforms", base_url="", settings={"workers": workers})


class Desk:
    """The clients of the shops, each opened when first needed."""

    def __init__(self, settings: Settings, clock: Clock, sleep: Callable[[float], Any] = time.sleep):
        self._settings, self._clock, self._sleep = settings, clock, sleep
        self._clients: dict[str, Client] = {}

    def close(self) -> None:
        """Give back the connections."""
        for client in self._clients.values():
            client.close()

    def client(self, shop_id: str) -> Client:
        """The client of a shop. Raises ConfigError when it cannot be called at all."""
        if shop_id not in self._clients:
            if shop_id not in self._settings.shops:
                remedy = "put it back, or do by hand what the instruction asks"
                raise ConfigError("the shop is not in shops.yaml any more", where=shop_id, remedy=remedy)
            tokens = TokenStore(self._settings.home.tokens)
            self._clients[shop_id] = open_client(
                self._settings.shops[shop_id], tokens=tokens, clock=self._clock, sleep=self._sleep
            )
        return self._clients[shop_id]

    def write(self, body: Mapping[str, Any], *, retry: bool) -> tuple[Outcome, bool]:
        """One write: a listing ({kind, shop_id, product_id, quantity}) or a parcel ({kind, shop_id, order_no, courier,
        tracking_no, lines}); retry: an earlier attempt may have been carried out.

        Gives the outcome, and whether no other call of this shop can work now.
        """
        started = time.perf_counter()
        outcome, shop_failed = self._write(body, retry)
        latency = round((time.perf_counter() - started) * 1000)
        return replace(outcome, latency_ms=latency, body_masked=json.dumps(body, ensure_ascii=False)), shop_failed

    def _write(self, body: Mapping[str, Any], retry: bool) -> tuple[Outcome, bool]:
        write = _confirm if body["kind"] == SHIP else listings.write
        try:
            receipt = write(self.client(body["shop_id"]), body, retry)
        except Refused as refusal:
            if refusal.scope == "shop":  # a permission that is missing: once somebody mends it, the write goes through
                return Outcome(RETRY, error=str(refusal)), True
            return Outcome(REJECTED, error=str(refusal)), False
        except PlatformError as error:
            return Outcome(RETRY, error=str(error)), error.scope == "shop"
        except ConfigError as error:
            return Outcome(RETRY, error=str(error)), True
        return Outcome(ACKNOWLEDGED, receipt=receipt, request_id=str(receipt.get("request_id") or "") or None), False


def _confirm(client: Client, body: Mapping[str, Any], retry: bool) -> dict[str, Any]:
    """Tell the platform of a parcel; its client reads the order where an end is unknown. Raises as the client does."""
    courier, lines = body["courier"], body["lines"]
    if not courier:
        remedy = "add the platform's code for it to config/couriers.csv"
        raise ConfigError("the platform's code of the courier is not known", where=body["shop_id"], remedy=remedy)
    if lines is not None and not body["pieces"]:
        lines = list(lines)
    return client.confirm_shipment(body["order_no"], courier, body["tracking_no"], lines)


def confirmations(run, due: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """What the ship confirmations among `due` tell, by instruction."""
    con = run.lake
    load_reference(con, run.settings)
    models.build(con, "outbox/ship_confirmations", "work.ship_confirmations")
    found: dict[str, dict[str, Any]] = {}
    for row in con.execute("FROM work.ship_confirmations").to_arrow_table().to_pylist():
        lines = json.loads(row["lines"]) if row["lines"] else None  # JSON null is no line, too
        found[row.pop("instruction_id")] = {**row, "lines": lines}
    return {row.instruction_id: found[row.instruction_id] for row in due if row.instruction_id in found}


def calls(desk: Desk, due: Sequence[Any], built: Mapping[str, Mapping[str, Any]]) -> list[Callable]:
    """A call per shop, which makes its writes one after the other: a shop that is dead holds up itself alone.
    Instructions of one product that ask the same are one write."""
    shops: dict[str, list[Any]] = {}
    for row in due:
        shops.setdefault(built[row.instruction_id]["shop_id"] if row.instruction_id in built else "", []).append(row)
    return [_of_shop(desk, rows, built) for rows in shops.values()]


def _of_shop(desk: Desk, rows: list[Any], built: Mapping[str, Mapping[str, Any]]) -> Callable[[], dict[str, Outcome]]:
    def call() -> dict[str, Outcome]:
        groups: dict[tuple[str, str], list[Any]] = {}
        for row in rows:
            body = built.get(row.instruction_id, {})
            groups.setdefault((body.get("product_id", row.instruction_id), row.kind), []).append(row)
        outcomes: dict[str, Outcome] = {}
        failure: Outcome | None = None
        for group in groups.values():
            body = built.get(group[0].instruction_id)
            if body is None:
                outcome = Outcome(REJECTED, error="找不到指令所指的订单或商品")
            elif failure is None:
                outcome, shop_failed = desk.write(body, retry=any(row.retry for row in group))
                failure = outcome if shop_failed else None
            else:
                outcome = replace(failure, latency_ms=0, body_masked=json.dumps(body, ensure_ascii=False))
            outcomes.update(dict.fromkeys([row.instruction_id for row in group], outcome))
        return outcomes

    return call
