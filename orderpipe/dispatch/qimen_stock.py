"""Qimen: what the warehouse holds. A read, beside the instructions of qimen.py.

Source of every fact: platform documentation of Qimen, sections "inventory.query" and "Errors".
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from orderpipe.dispatch.qimen import QimenClient, Reply
from orderpipe.errors import PlatformError, Unavailable
from orderpipe.platforms.base import Refused
from orderpipe.platforms.http import Again, Retry

AT_ONCE = 50  # items of one call; the documentation names no limit, this keeps a body below 10 kB
_LATER = "the next run asks again"


@dataclass
class Answered:
    """What a warehouse said of some items. rows: the answer's rows by item code; an item it does not know has none.
    errors: why some items have no answer, one line each."""

    rows: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def inventory(
    client: QimenClient,
    warehouse_code: str,
    owner_code: str,
    items: Sequence[str],
    sleep: Callable[[float], Any] = time.sleep,
) -> Answered:
    """The stock of these items in one warehouse (inventory.query), in batches.

    warehouse_code, owner_code: the warehouse's own. Rows are {element: text}: `quantity` pieces that are free and
    `lockQuantity` pieces that orders hold, per inventoryType (ZP good, CC defective, …) and lot. A batch that fails is
    tried once more; then it is an error in the result, and the batches after it are not asked: a read is not worth
    a dead warehouse's patience. An item that the warehouse refuses by name is left out, and the others asked again.
    """
    answered = Answered()
    for batch in _batches(list(items)):
        try:
            _ask(client, warehouse_code, owner_code, batch, answered, Retry(tries=2, budget=10, sleep=sleep))
        except PlatformError as error:
            answered.errors.append(str(error))
            break
    return answered


def _ask(
    client: QimenClient, warehouse: str, owner: str, items: list[str], answered: Answered, patience: Retry
) -> None:
    criteria = [
        {"criteria": {"warehouseCode": warehouse, "ownerCode": owner or None, "itemCode": item}} for item in items
    ]
    while criteria:
        reply = patience.run(partial(_attempt, client, warehouse, criteria))
        if reply.flag == "success":
            break
        named = [entry for entry in criteria if entry["criteria"]["itemCode"] in reply.reason]
        if not named:
            remedy = "check WMS_APP_KEY, WMS_SECRET, WMS_CUSTOMER_ID and wms_code in warehouses.yaml"
            raise Refused(f"inventory.query was refused ({reply.reason})", where=f"wms, {warehouse}", remedy=remedy)
        criteria = [entry for entry in criteria if entry not in named]
        codes = ", ".join(entry["criteria"]["itemCode"] for entry in named)
        answered.errors.append(f"wms, {warehouse}: no stock of {codes} ({reply.reason}) — sync the item to the WMS")
    else:
        return
    asked = {entry["criteria"]["itemCode"].casefold(): entry["criteria"]["itemCode"] for entry in criteria}
    answered.rows |= {item: [] for item in asked.values()}
    for row in reply.rows("items/item"):
        item = asked.get(row.get("itemCode", "").casefold())
        # Of a warehouse or an item that was not asked for, it would be counted where it does not belong.
        if item is not None and row.get("warehouseCode", "") in ("", warehouse):
            answered.rows[item].append(row)


def _attempt(client: QimenClient, warehouse: str, criteria: list[dict[str, Any]]) -> Reply:
    reply = client.call("inventory.query", {"criteriaList": criteria})
    if reply.unclear:
        what = reply.reason or reply.answer.failure or f"unreadable answer, HTTP {reply.answer.http_status}"
        raise Again(Unavailable(f"no stock ({what})", where=f"wms, {warehouse}", remedy=_LATER))
    return reply


def _batches(items: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
