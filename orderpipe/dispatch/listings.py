"""Listings off sale and on again, through the platforms' own clients, shop by shop.

A write says how the listing must stand, so repeating it is harmless; where the platform can be read, a write whose end
is unknown is read before it is repeated. It is tried until the platform confirms: a listing that stays on sale without
stock is oversold.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from orderpipe.clock import Clock
from orderpipe.config import Receiver, Settings
from orderpipe.dispatch.outcome import ACKNOWLEDGED, REJECTED, RETRY, Outcome
from orderpipe.errors import ConfigError, PlatformError
from orderpipe.lake import models
from orderpipe.platforms import Client, Refused, TokenStore, open_client

SUSPEND, RESUME = "suspend_listing", "resume_listing"
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
                remedy = "put it back, or take the listing off by hand"
                raise ConfigError("the shop is not in shops.yaml any more", where=shop_id, remedy=remedy)
            tokens = TokenStore(self._settings.home.tokens)
            self._clients[shop_id] = open_client(
                self._settings.shops[shop_id], tokens=tokens, clock=self._clock, sleep=self._sleep
            )
        return self._clients[shop_id]

    def write(self, body: dict[str, Any], *, retry: bool) -> tuple[Outcome, bool]:
        """One write, {kind, shop_id, product_id, quantity}; retry: an earlier attempt may have been carried out.

        Gives the outcome, and whether no other call of this shop can work now.
        """
        started = time.perf_counter()
        outcome, shop_failed = self._write(body, retry)
        latency = round((time.perf_counter() - started) * 1000)
        return replace(outcome, latency_ms=latency, body_masked=json.dumps(body, ensure_ascii=False)), shop_failed

    def _write(self, body: dict[str, Any], retry: bool) -> tuple[Outcome, bool]:
        product = body["product_id"]
        try:
            client = self.client(body["shop_id"])
            if retry and client.is_listed(product) is (body["kind"] == RESUME):
                return Outcome(ACKNOWLEDGED, receipt={"product_id": product, "read": True}), False
            if body["kind"] == SUSPEND:
                receipt = client.suspend_listing(product)
            else:
                receipt = client.resume_listing(product, body["quantity"])
        except Refused as refusal:
            if refusal.scope == "shop":  # a permission that is missing: once somebody mends it, the write goes through
                return Outcome(RETRY, error=str(refusal)), True
            return self._after_refusal(client, body, refusal), False
        except PlatformError as error:
            return Outcome(RETRY, error=str(error)), error.scope == "shop"
        except ConfigError as error:
            return Outcome(RETRY, error=str(error)), True
        return Outcome(ACKNOWLEDGED, receipt=receipt, request_id=str(receipt.get("request_id") or "") or None), False

    @staticmethod
    def _after_refusal(client: Client, body: dict[str, Any], refusal: Refused) -> Outcome:
        """A platform may refuse to take off what is off already: what counts is how the listing stands."""
        try:
            stands = client.is_listed(body["product_id"]) is (body["kind"] == RESUME)
        except PlatformError:
            stands = False
        if stands:
            return Outcome(ACKNOWLEDGED, receipt={"product_id": body["product_id"], "read": True})
        return Outcome(REJECTED, error=str(refusal))


def writes(con) -> dict[str, dict[str, Any]]:
    """What the listing instructions of work.claimed ask for, by instruction, oldest first."""
    models.build(con, "outbox/listing_writes", "work.listing_writes")
    rows = con.execute("FROM work.listing_writes").to_arrow_table().to_pylist()
    return {row.pop("instruction_id"): row for row in rows}


def calls(desk: Desk, due: Sequence[Any], built: dict[str, dict[str, Any]]) -> list[Callable[[], dict[str, Outcome]]]:
    """A call per shop, which writes its products one after the other: a shop that is dead holds up itself alone.
    Instructions of one product that ask the same are one write."""
    shops: dict[str, list[Any]] = {}
    for row in due:
        shops.setdefault(built[row.instruction_id]["shop_id"], []).append(row)
    return [_of_shop(desk, rows, built) for rows in shops.values()]


def _of_shop(desk: Desk, rows: list[Any], built: dict[str, dict[str, Any]]) -> Callable[[], dict[str, Outcome]]:
    def call() -> dict[str, Outcome]:
        groups: dict[tuple[str, str], list[Any]] = {}
        for row in rows:
            body = built[row.instruction_id]
            groups.setdefault((body["product_id"], body["kind"]), []).append(row)
        outcomes: dict[str, Outcome] = {}
        failure: Outcome | None = None
        for group in groups.values():
            body = built[group[0].instruction_id]
            if failure is None:
                outcome, shop_failed = desk.write(body, retry=any(row.retry for row in group))
                failure = outcome if shop_failed else None
            else:
                outcome = replace(failure, latency_ms=0, body_masked=json.dumps(body, ensure_ascii=False))
            outcomes.update(dict.fromkeys([row.instruction_id for row in group], outcome))
        return outcomes

    return call
