"""Lazada: orders with their units, reverse orders, listings, and the write-backs of one store.

Source of every fact: platform documentation of Lazada. The gateway is in lazada_gateway.py, the walks over its lists
in lazada_lists.py, the steps of a shipment in lazada_fulfilment.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse
from orderpipe.platforms.base import Page, RawPayload, Refused, Window, WindowPolicy
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.lazada_fulfilment import Fulfilment
from orderpipe.platforms.lazada_gateway import LazadaGateway, Refusal
from orderpipe.platforms.lazada_lists import OrderList, PlatformList, ProductList, ReverseList, text_of
from orderpipe.platforms.tokens import TokenStore

WALKS = 4  # how often a list is walked before its count is called irreconcilable
CHUNK = 50  # orders whose units come in one call
INACTIVE_ALREADY = "E0004"


class _Units(msgspec.Struct):
    order_id: msgspec.Raw = msgspec.Raw()
    order_items: msgspec.Raw = msgspec.Raw(b"null")


class _Sku(msgspec.Struct, rename={"sku_id": "SkuId"}):
    """A variant, with what the documentation calls mandatory in an update."""

    sku_id: msgspec.Raw = msgspec.Raw()
    package_height: Any = None
    package_length: Any = None
    package_width: Any = None
    package_weight: Any = None


class _Product(msgspec.Struct):
    skus: list[_Sku] = []


class _SkuState(msgspec.Struct):
    status: str | None = msgspec.field(name="Status", default=None)


class _ProductState(msgspec.Struct):
    skus: list[_SkuState] = []


class LazadaClient(ShopClient):
    """One Lazada store. Settings: page_size, reverse_page_size, refund_unit, products_by_update_time (lazada_lists),
    auth_url, common_params, tokens_of (lazada_gateway), shipping_allocate_type (lazada_fulfilment),
    throttle_budget_seconds, read_timeout_seconds, window_*_minutes."""

    # Short windows that end five minutes ago are the documentation's advice. For reverse orders it names no limit.
    windows: ClassVar = {
        "order": WindowPolicy(span=timedelta(hours=1), overlap=timedelta(minutes=10), lag=timedelta(minutes=5)),
        "refund": WindowPolicy(span=timedelta(days=1), overlap=timedelta(minutes=10), lag=timedelta(minutes=5)),
        "product": WindowPolicy(
            span=timedelta(days=30), overlap=timedelta(minutes=10), lag=timedelta(minutes=5), every=timedelta(hours=1)
        ),
    }

    @classmethod
    def policy_of(cls, shop: Shop, kind: str) -> WindowPolicy:
        """As of every client. Listings asked for by update time are asked for from the shop's beginning."""
        policy = super().policy_of(shop, kind)
        if kind == "product" and shop.settings.get("products_by_update_time"):
            return replace(policy, first=timedelta(days=3650), every=timedelta(0))
        return policy

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        self._gateway = LazadaGateway(self._shop, tokens, clock, self._http, self._sleep)
        lists = {"order": OrderList, "refund": ReverseList, "product": ProductList}
        self._lists: dict[str, PlatformList] = {kind: made(self._gateway, self._shop) for kind, made in lists.items()}
        self._fulfilment = Fulfilment(self._gateway, self._shop, self._sleep)

    @property
    def warnings(self) -> list[str]:
        """What an operator should know though the calls succeeded."""
        return self._gateway.warnings

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every order, reverse order or listing modified in the window (of listings: every one, see ProductList).

        An order comes with its units under the key `order_items`, as the platform names them; a reverse order and a
        listing with `_currency` (and `_refund_unit`), without which their amounts mean nothing. The first page carries
        the platform's count. Raises BadResponse after the last page when the list would not hold still, counts more
        than could be read or gives no units for an order, and the kinds of `LazadaGateway.read` at any time.
        """
        self._require(kind)
        listing = self._lists[kind]
        reported, rows, settled = self._settled(listing, window)
        heads = [listing.head(text, window.start) for text in rows.values()]
        heads.sort(key=lambda head: (head.source_updated_at, head.source_id))
        if kind == "order":
            yield from self._with_units(heads, reported)
        else:
            yield Page([listing.noted(head) for head in heads], reported)
        if not settled:
            raise BadResponse(
                f"the list did not settle in {WALKS} walks: {reported} counted, {len(rows)} read",
                where=f"{self._shop.id}, {kind} {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC",
                remedy="the window stays open and is pulled again; if it stays so, run `orderpipe verify`",
            )

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and modified time by a walk that never looks at the count and cuts the pages differently."""
        self._require(kind)
        found: dict[str, datetime] = {}
        for document in self._lists[kind].census(window):
            if document.source_id:
                known = found.get(document.source_id, document.source_updated_at)
                found[document.source_id] = max(known, document.source_updated_at)
        return found

    @staticmethod
    def _settled(listing: PlatformList, window: Window) -> tuple[int, dict[str, str], bool]:
        """(count, row text by id, settled): walked until a walk turns up nothing new and the count is reached.

        One backward walk is safe against rows that leave. A row that appears late pushes unread rows onto pages
        already read; only a second walk sees that.
        """
        rows: dict[str, str] = {}
        reported, settled = 0, False
        for number in range(WALKS):
            walk = listing.walk(window)
            fresh = walk.found.keys() - rows.keys()
            rows = {key: text for key, text in rows.items() if key.isdigit()} | walk.found
            reported = walk.total
            settled = len(rows) >= reported and (walk.atomic or (number > 0 and not fresh))
            if settled and all(key.isdigit() for key in rows):
                break
        return reported, rows, settled

    # Units: the platform gives one row per piece, and only those tell the currency and the goods.

    def _with_units(self, heads: list[RawPayload], reported: int) -> Iterator[Page]:
        """The orders with their units, oldest first, some at a time. An order without id comes as it is."""
        bare, first = 0, reported
        for start in range(0, max(1, len(heads)), CHUNK):
            chunk = heads[start : start + CHUNK]
            units = self._units([head.source_id for head in chunk if head.source_id])
            whole = [
                RawPayload(h.source_id, h.source_updated_at, f'{h.payload[:-1]},"order_items":{units[h.source_id]}}}')
                for h in chunk
                if h.source_id in units
            ]
            nameless = [head for head in chunk if not head.source_id]
            bare += len(chunk) - len(whole) - len(nameless)
            yield Page(whole + nameless, first)
            first = None
        if bare:
            what = f"the platform gives no units for {bare} orders"
            raise BadResponse(what, where=self._shop.id, remedy="the window stays open and is pulled again")

    def _units(self, order_ids: list[str]) -> dict[str, str]:
        """The text of each order's list of units, by order id; asked for once more where it is missing."""
        found: dict[str, str] = {}
        for _ in range(2):
            missing = [order_id for order_id in order_ids if order_id not in found]
            if not missing:
                break
            answer = self._gateway.read("/orders/items/get", {"order_ids": f"[{','.join(missing)}]"}, list[_Units])
            for order in answer:
                if bytes(order.order_items).lstrip().startswith(b"["):
                    found[text_of(order.order_id)] = bytes(order.order_items).decode()
        return found

    # Write-backs

    def confirm_shipment(
        self, order_no: str, courier_code: str, tracking_no: str, lines: list[str] | None = None
    ) -> dict[str, Any]:
        """Tell the platform that units of an order are ready for its carrier: they are packed, then handed over.

        order_no: order_id. lines: order_item_ids; None for all that are still to be sent. tracking_no is not taken by
        the platform, which gives out numbers of its own; courier_code only from a cross-border store (see
        Fulfilment). Effect once. Returns a receipt {"status": …, "already_shipped": bool, "packages": […]}. Raises
        Refused when nothing can be shipped, Unanswered when the outcome stays unknown.
        """
        return self._fulfilment.confirm(order_no, courier_code, lines)

    def suspend_listing(self, product_id: str) -> dict[str, Any]:
        """Take a product off sale (/product/deactivate); one that is off sale already counts as done. Returns a
        receipt. Raises Refused."""
        body = f'{{"Request":{{"Product":{{"ItemId":{self._number(product_id)}}}}}}}'
        try:
            self._gateway.write("/product/deactivate", {"apiRequestBody": body}, dict[str, Any])
        except Refusal as refusal:
            if refusal.code != INACTIVE_ALREADY:
                raise
            return {"item_id": product_id, "already_inactive": True}
        return {"item_id": product_id, "already_inactive": False}

    def resume_listing(self, product_id: str, quantity: int) -> dict[str, Any]:
        """Put a product on sale again (/product/update of its variants' status). quantity becomes the sellable stock
        of a product with one variant; with several, each keeps the stock it has. Returns a receipt. Raises Refused."""
        product = self._gateway.read("/product/item/get", {"item_id": self._number(product_id)}, _Product)
        skus = [text_of(sku.sku_id) for sku in product.skus]
        if not skus:
            where = f"{self._shop.id}, product {product_id}"
            raise Refused("the product has no variants", where=where, remedy="check it in the seller centre")
        update = {"ItemId": product_id, "Skus": {"Sku": [_activation(sku) for sku in product.skus]}}
        self._gateway.write("/product/update", {"payload": _request(update)}, dict[str, Any])
        if len(skus) == 1:
            stock = {"ItemId": product_id, "SkuId": skus[0], "SellableQuantity": str(quantity)}
            payload = _request({"Skus": {"Sku": [stock]}})
            self._gateway.write("/product/stock/sellable/update", {"payload": payload}, dict[str, Any])
        return {"item_id": product_id, "sku_ids": skus, "stock_set": len(skus) == 1}

    def is_listed(self, product_id: str) -> bool | None:
        """Whether all variants of a product are on sale, or none of them (/product/item/get)."""
        product = self._gateway.read("/product/item/get", {"item_id": self._number(product_id)}, _ProductState)
        active = {(sku.status or "").lower() == "active" for sku in product.skus}
        return active.pop() if len(active) == 1 else None

    def _number(self, product_id: str) -> str:
        if not product_id.isdigit():
            raise Refused(f"{product_id!r} is no item id", where=self._shop.id, remedy="check the goods master")
        return product_id


def _activation(sku: _Sku) -> dict[str, str]:
    """A variant's entry in an update; every value is text, as the documentation asks."""
    package = {name: getattr(sku, name) for name in sku.__struct_fields__ if name != "sku_id"}
    told = {name: str(value) for name, value in package.items() if value is not None}
    return {"SkuId": text_of(sku.sku_id), "Status": "active", **told}


def _request(product: dict[str, Any]) -> str:
    return msgspec.json.encode({"Request": {"Product": product}}).decode()
