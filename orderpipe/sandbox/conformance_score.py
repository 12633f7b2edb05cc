"""The judge of the conformance kit: another system's orders against the truth, scenario by scenario."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from types import ModuleType
from typing import Any

from orderpipe.sandbox import truth
from orderpipe.sandbox.clock import iso
from orderpipe.sandbox.conformance import ERRORS, SAFE_INTEGER
from orderpipe.sandbox.conformance_play import Play, Scene
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.receipts import Effect

COLUMNS = ("platform", "shop_id", "platform_order_no", "updated_at")
OPTIONAL = ("status", "paid_amount", "currency")
SENT = frozenset({"shipment", "delivery_order", "waybill"})  # effects that put goods on their way
EXAMPLES = 5
Key = tuple[str, str]  # shop id, the platform's order number


class BadFile(ValueError):
    """The exported file cannot be read; the message names the line and what was expected."""


@dataclass(slots=True)
class Held:
    """An order as the other system holds it. updated_at: epoch seconds, None where it gives none."""

    platform: str
    shop_id: str
    no: str
    updated_at: float | None
    status: str = ""
    paid_amount: Decimal | None = None
    currency: str = ""


@dataclass
class Row:
    """The score of one scenario on one platform. orders: due, that is, judged. verdict: passed, failed, not_met (its
    faults never fired: nothing is proved), pending (nothing due yet), not_played."""

    platform: str
    shop_id: str
    scenario: str
    zh: str
    en: str
    orders: int = 0
    lost: int = 0
    stale: int = 0
    duplicated: int = 0
    wrong_status: int = 0
    wrong_money: int = 0
    sent_twice: int = 0
    sent_wrongly: int = 0
    faults_fired: int = 0
    verdict: str = "pending"
    note: str = ""
    examples: dict[str, list[str]] = field(default_factory=dict)

    def found(self, error: str, no: str, times: int = 1) -> None:
        """Count an error of an order, and keep the first few numbers."""
        setattr(self, error, getattr(self, error) + times)
        examples = self.examples.setdefault(error, [])
        if len(examples) < EXAMPLES:
            examples.append(no)

    @property
    def errors(self) -> int:
        return sum(getattr(self, name) for name in ERRORS)


def read_held(body: bytes, zone: tzinfo = UTC) -> list[Held]:
    """The orders of an exported file: CSV with a header, or one JSON object per line, UTF-8.

    zone: of times without an offset; times may also be epoch seconds or milliseconds. Raises BadFile.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"the file is not UTF-8: {error.reason} at byte {error.start}") from None
    if not text.strip():
        raise BadFile(f"the file is empty: at least the header {','.join(COLUMNS)} is expected")
    rows = _json_rows(text) if text.lstrip().startswith("{") else _csv_rows(text)
    return [_held(row, number, zone) for number, row in rows]


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise BadFile(f"line 1: no column {', '.join(missing)}; expected {','.join(COLUMNS)}[,{','.join(OPTIONAL)}]")
    for row in reader:
        yield reader.line_num, {name: value or "" for name, value in row.items() if isinstance(name, str)}


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_int=str, parse_float=str)
        except json.JSONDecodeError as error:
            raise BadFile(f"line {number}: not JSON: {error.msg}") from None
        if not isinstance(row, dict) or any(name not in row for name in COLUMNS):
            raise BadFile(f"line {number}: an object with {', '.join(COLUMNS)} is expected")
        yield number, {name: "" if value is None else str(value) for name, value in row.items()}


def _held(row: Mapping[str, str], number: int, zone: tzinfo) -> Held:
    text = {name: row.get(name, "").strip() for name in (*COLUMNS, *OPTIONAL)}
    try:
        return Held(
            text["platform"], text["shop_id"], text["platform_order_no"], _moment(text["updated_at"], zone),
            text["status"], Decimal(text["paid_amount"]) if text["paid_amount"] else None, text["currency"],
        )  # fmt: skip
    except (ValueError, InvalidOperation, OverflowError):
        raise BadFile(
            f"line {number}: updated_at is ISO 8601 or epoch seconds or milliseconds, paid_amount a decimal number"
        ) from None


def _moment(text: str, zone: tzinfo) -> float | None:
    if not text:
        return None
    if text.isdigit():
        return int(text) / (1000 if len(text) > 11 else 1)
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()


# ---- judging


def score(play: Play, modules: Mapping[str, ModuleType], held: Iterable[Held]) -> dict[str, Any]:
    """The score sheet, as plain values. modules: the platform modules by name.

    An order is due when the list shows it and it is older than the settling time; its state is due when its last
    change is. What the system under test could not know yet is never held against it.
    """
    judge = _Judge(play, modules)
    by_key: dict[Key, list[Held]] = {}
    foreign = 0
    for one in held:
        if judge.platforms.get(one.shop_id) == one.platform:
            by_key.setdefault((one.shop_id, one.no), []).append(one)
        else:
            foreign += 1
    judge.orders(by_key)
    judge.effects()
    rows = judge.finished()
    platforms = judge.summary(rows, by_key)
    total = {name: sum(getattr(row, name) for row in rows) for name in ("orders", *ERRORS)}
    total["invented"] = sum(one["invented"] for one in platforms)
    clean = not any(total[name] for name in (*ERRORS, "invented"))
    return {
        "seed": play.world.seed,
        "now": iso(play.world.now),
        "final": play.done,
        "ends": iso(play.ends),
        "passed": play.done and clean and total["orders"] > 0,
        "held_rows": sum(map(len, by_key.values())),
        "foreign_rows": foreign,
        "total": total,
        "platforms": platforms,
        "rows": [asdict(row) for row in rows],
    }


class _Judge:
    def __init__(self, play: Play, modules: Mapping[str, ModuleType]):
        self._play, self._world, self._modules = play, play.world, modules
        self.platforms = {scene.shop.id: scene.shop.platform for scene in play.scenes}
        self._rows = {(scene.shop.id, scene.scenario.id): _row(scene) for scene in play.scenes}
        self._horizon = play.world.now - play.settle

    def orders(self, by_key: Mapping[Key, list[Held]]) -> None:
        """Judge what is held of every order there is."""
        for shop_id in self.platforms:
            for order in self._world.shops[shop_id].orders.values():
                self._order(order, by_key.get((shop_id, order.no), []))

    def _order(self, order: Order, held: list[Held]) -> None:
        module = self._modules[order.shop.platform]
        shown = getattr(module, "visible", None)
        listed = (shown is None or shown(order)) and order.indexed is not None
        row = self._row_of(order)
        if len(held) > 1:
            row.found("duplicated", order.no, len(held) - 1)
        if not listed or max(order.created, order.deposit_at or 0, order.confirmed_at or 0) > self._horizon:
            return
        row.orders += 1
        if not held:
            row.found("lost", order.no)
            return
        if order.modified > self._horizon or order.indexed != order.modified:
            return
        newest = max(held, key=lambda one: one.updated_at or 0)
        if newest.updated_at is None or int(newest.updated_at) < order.modified:
            row.found("stale", order.no)
            return
        true = truth.describe(order, module.platform_status(order))
        if newest.status and newest.status.lower() not in (true["status"], true["platform_status"].lower()):
            row.found("wrong_status", order.no)
        money = newest.paid_amount is not None and newest.paid_amount != Decimal(true["paid_amount"])
        if money or (newest.currency and newest.currency.upper() != true["currency"]):
            row.found("wrong_money", order.no)

    def effects(self) -> None:
        """Judge what was sent: twice, or when it must not be."""
        for where in (*dict.fromkeys(self.platforms.values()), "qimen", "kuaidi100"):
            for effect in self._world.receipts.of(where):
                state = effect.facts.get("platform_state")
                if effect.kind not in SENT or not state:
                    continue
                order = self._world.find(state["platform_order_no"])
                if order.shop.id not in self.platforms or effect.at < self._play.begins:
                    continue
                if effect.duplicates:
                    self._row_of(order).found("sent_twice", order.no, effect.duplicates)
                if self._wrongly(order, effect, state):
                    self._row_of(order).found("sent_wrongly", order.no)

    def _wrongly(self, order: Order, effect: Effect, state: Mapping[str, Any]) -> bool:
        """Whether it must not have been sent, and that had been so for a stretch: long enough to know."""
        known_by = effect.at - self._play.stretch
        asked = [refund.created for refund in order.refunds if refund.created <= effect.at]
        moved = self._play.readdressed.get((order.shop.id, order.no))
        return (
            state["hold"]
            or state["status"] == "pending_payment"
            or (state["refund_open"] and bool(asked) and min(asked) <= known_by)
            or (state["status"] == "closed" and order.closed_at is not None and order.closed_at <= known_by)
            or (effect.facts.get("receiver_current") is False and moved is not None and moved <= known_by)
        )

    def finished(self) -> list[Row]:
        """All rows with their verdicts."""
        scenes = {(scene.shop.id, scene.scenario.id): scene for scene in self._play.scenes}
        for key, row in self._rows.items():
            scene = scenes.get(key)
            if scene and scene.unplayable:
                row.verdict, row.note = "not_played", scene.unplayable
            elif row.errors:
                row.verdict = "failed"
            elif not row.orders or (scene and self._world.now < scene.end):
                row.verdict = "pending"
            elif scene and scene.armed and not row.faults_fired:
                row.verdict, row.note = "not_met", "its faults never fired"
            else:
                row.verdict = "passed"
        return list(self._rows.values())

    def summary(self, rows: list[Row], by_key: Mapping[Key, list[Held]]) -> list[dict[str, Any]]:
        """One entry per platform: totals, what was invented, calls and refusals."""
        calls = self._play.calls.describe([fault for scene in self._play.scenes for fault in scene.armed])
        found = []
        for shop_id, platform in self.platforms.items():
            known = self._world.shops[shop_id].by_no
            invented = [no for shop, no in by_key if shop == shop_id and no not in known]
            mangled = _mangled(invented, known)
            its = [row for row in rows if row.shop_id == shop_id]
            found.append(
                {"platform": platform, "shop_id": shop_id}
                | {name: sum(getattr(row, name) for row in its) for name in ("orders", *ERRORS)}
                | {"invented": len(invented), "mangled": len(mangled), "invented_examples": invented[:EXAMPLES]}
                | {"verdicts": dict(Counter(row.verdict for row in its)), "calls": calls.get(platform, {"calls": 0})}
            )
        return found

    def _row_of(self, order: Order) -> Row:
        scene = self._play.of_order.get((order.shop.id, order.no))
        name = scene.scenario.id if scene else "other_orders"
        key = (order.shop.id, name)
        if key not in self._rows:
            self._rows[key] = Row(order.shop.platform, order.shop.id, name, "其他订单", "orders of no scenario")
        return self._rows[key]


def _row(scene: Scene) -> Row:
    what = scene.scenario
    fired = sum(fault.fired for fault in scene.armed)
    return Row(scene.shop.platform, scene.shop.id, what.id, what.zh, what.en, faults_fired=fired)


def _mangled(invented: Iterable[str], known: Iterable[str]) -> list[str]:
    """Invented numbers that a true one turns into when it is read as a float."""
    rounded = {float(no) for no in known if no.isdigit() and int(no) > SAFE_INTEGER}
    found = []
    for no in invented:
        try:
            if float(no) in rounded:
                found.append(no)
        except ValueError:
            continue
    return found
