"""Shopee: orders, returns, listings, listing and shipping write-backs of one shop.

Source of every fact: platform documentation of Shopee (Open Platform v2). The gateway (signature, token, errors) is in
shopee_gateway.py, how lists are walked in shopee_lists.py, how a parcel is arranged in shopee_shipping.py.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError, Unavailable
from orderpipe.platforms.base import Page, RawPayload, Refused, Window, WindowPolicy
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.shopee_gateway import NotFound, ShopeeGateway
from orderpipe.platforms.shopee_lists import WALKS, Lists, document, is_id, text_of
from orderpipe.platforms.shopee_shipping import Shipping
from orderpipe.platforms.tokens import TokenStore

# Nearly everything of an order comes only when it is asked for.
ORDER_FIELDS = (
    "buyer_user_id,buyer_username,estimated_shipping_fee,recipient_address,actual_shipping_fee,goods_to_declare,note,"
    "note_update_time,item_list,pay_time,dropshipper,dropshipper_phone,split_up,buyer_cancel_reason,cancel_by,"
    "cancel_reason,actual_shipping_fee_confirmed,buyer_cpf_id,fulfillment_flag,pickup_done_time,package_list,"
    "shipping_carrier,payment_method,total_amount,invoice_data,order_chargeable_weight_gram,return_request_due_date,"
    "edt,payment_info,international_label"
)
DETAIL, MODELS = "/api/v2/order/get_order_detail", "/api/v2/product/get_model_list"
BASE_INFO, UNLIST = "/api/v2/product/get_item_base_info", "/api/v2/product/unlist_item"
ESCROW, ESCROW_BATCH = "/api/v2/payment/get_escrow_detail", "/api/v2/payment/get_escrow_detail_batch"
AT_ONCE = 50  # orders or listings of one call for their details
ESCROW_AT_ONCE = 20  # the documentation allows 50 and recommends 20
CALLS_AT_ONCE = 4


class _Orders(msgspec.Struct):
    order_list: list[msgspec.Raw] | None = None


class _Items(msgspec.Struct):
    item_list: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct):
    promotion_type: str | None = None
    model_discounted_price: float | None = None


class _Order(msgspec.Struct):
    order_status: str | None = None
    pay_time: int | None = None
    cod: bool | None = None
    item_list: list[_Line] | None = None


class _Item(msgspec.Struct):
    item_id: Any = None
    item_status: str | None = None
    has_model: Any = None


class _Escrow(msgspec.Struct):
    escrow_detail: msgspec.Raw = msgspec.Raw()


class _Failure(msgspec.Struct):
    item_id: int
    failed_reason: str | None = None


class _Success(msgspec.Struct):
    item_id: int
    unlist: bool | None = None


class _Unlisted(msgspec.Struct):
    failure_list: list[_Failure] | None = None
    success_list: list[_Success] | None = None


class ShopeeClient(ShopClient):
    """One Shopee shop. Settings:

    escrow: which orders' money is asked for beside the order: `paid` (default) all but unpaid ones, `bundles` those
    with a bundle deal, whose prices the order itself gives as 0, `never`. escrow_call: `batch` (default) asks for 20
    orders in one call, `single` for one, where an account may not call the other.
    return_page_base: number of the first page of returns, which the documentation gives both as 0 and as 1; `auto`
    (default) finds out.
    items_by_modified (default true): a listing's update time moves with its stock and price. false reads all listings
    once an hour instead.
    ship_method: `auto` (default), `non_integrated`, `dropoff` or `pickup`; dropoff_branch_id, dropoff_slug,
    sender_real_name, pickup_address_id: what a channel may ask for.
    calls_per_second (of each API, at first), throttle_budget_seconds, page_size, read_timeout_seconds,
    window_*_minutes, product_window_*_minutes.
    """

    # Lists refuse more than 15 days. They give no update time to go by: a window ends a few minutes in the past.
    windows: ClassVar = {
        **dict.fromkeys(
            ("order", "refund"),
            WindowPolicy(span=timedelta(days=1), overlap=timedelta(minutes=5), lag=timedelta(minutes=3)),
        ),
        "product": WindowPolicy(
            span=timedelta(days=3650),
            overlap=timedelta(minutes=5),
            lag=timedelta(minutes=3),
            first=timedelta(days=3650),
        ),
    }

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        self._shopee = ShopeeGateway(self._shop, tokens, clock, self._http, self._sleep)
        self._lists = Lists(self._shop, self._shopee)
        self._shipping = Shipping(self._shop, self._shopee, self._sleep)
        self._escrow = self._choice("escrow", "paid", "bundles", "never")
        self._escrow_call = self._choice("escrow_call", "batch", "single")

    def _choice(self, name: str, *allowed: str) -> str:
        """A setting that must be one of these, the first unless it is given."""
        chosen = self._shop.settings.get(name, allowed[0])
        if chosen not in allowed:
            raise ConfigError(f"{name} is {chosen!r}", where=self._shop.id, remedy=f"use {', '.join(allowed)}")
        return chosen

    @classmethod
    def policy_of(cls, shop: Shop, kind: str) -> WindowPolicy:
        """How windows of this kind are cut for a shop. Raises KeyError for a kind the platform does not have."""
        policy = super().policy_of(shop, kind)
        if kind == "product" and not _by_modified(shop):
            policy = replace(policy, every=timedelta(hours=1))
        return policy

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every order, return or listing updated in the window, of any length: it is read 15 days at a time.

        The platform counts neither orders nor returns: `census` is the count. Raises BadResponse after the last page
        when the list would not hold still or an order's details are not to be had, and the kinds of
        `ShopeeGateway.call` at any time.
        """
        self._require(kind)
        rows, settled = self._lists.settled(kind, self._asked(kind, window))
        heads = [document(kind, text, window.start) for text in rows.values()]
        missing: list[str] = []
        if kind == "order":
            yield from self._detailed(kind, heads, self._whole_orders, missing)
        elif kind == "product":
            yield from self._detailed(kind, heads, self._whole_items, missing)
        else:
            yield Page(heads)
        where = f"{self._shop.id}, {kind} {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC"
        remedy = "the window stays open and is pulled again; if it stays so, run `orderpipe verify`"
        if missing:
            what = f"{len(missing)} documents are listed and not to be had, the first of them {missing[0]}"
            raise BadResponse(what, where=where, remedy=remedy)
        if not settled:
            raise BadResponse(f"the list did not settle in {WALKS} walks", where=where, remedy=remedy)

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and update time by a walk that cuts window and pages differently; of orders, whose list gives no time,
        the shortest details."""
        self._require(kind)
        rows = self._lists.second(kind, self._asked(kind, window))
        if kind == "order":
            rows = {key: text for batch in _batches(list(rows), AT_ONCE) for key, text in self._details(batch).items()}
        return {key: document(kind, text, window.start).source_updated_at for key, text in rows.items()}

    def _asked(self, kind: str, window: Window) -> Window | None:
        """The window to ask the platform for; None for a list that is read whole."""
        return None if kind == "product" and not _by_modified(self._shop) else window

    # Lists of orders and listings serve as an index: what they list is read in full, a few calls at a time.

    def _detailed(
        self,
        kind: str,
        heads: list[RawPayload],
        read: Callable[[list[RawPayload]], list[RawPayload]],
        missing: list[str],
    ) -> Iterator[Page]:
        """The documents of an index. missing: filled with what was listed and could not be read."""
        if not all(head.source_id for head in heads):
            raise BadResponse(
                "a row of the list has no id", where=f"{self._shop.id}, {kind}", remedy="the window is pulled again"
            )
        if not heads:
            yield Page([])
        with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix=f"detail-{self._shop.id}") as pool:
            for group in _batches(heads, AT_ONCE * CALLS_AT_ONCE):
                payloads = [payload for found in pool.map(read, _batches(group, AT_ONCE)) for payload in found]
                missing += {head.source_id for head in group} - {payload.source_id for payload in payloads}
                yield Page(payloads)

    def _whole_orders(self, heads: list[RawPayload]) -> list[RawPayload]:
        """Orders of at most 50 heads with what the buyer pays for each line."""
        by_id = {head.source_id: head for head in heads}
        texts = self._details(list(by_id), ORDER_FIELDS)
        escrows = self._escrows([key for key, text in texts.items() if self._needs_escrow(text)])
        found = []
        for key, text in texts.items():
            updated_at = document("order", text, by_id[key].source_updated_at).source_updated_at
            found.append(RawPayload(key, updated_at, _with(text, "_escrow", escrows.get(key))))
        return found

    def _details(self, numbers: list[str], fields: str = "") -> dict[str, str]:
        """Order text by number; what an answer leaves out is asked for once more."""
        found = self._read_orders(numbers, fields)
        if left := [number for number in numbers if number not in found]:
            found |= self._read_orders(left, fields)
        return found

    def _read_orders(self, numbers: list[str], fields: str) -> dict[str, str]:
        """One number the platform does not know may spoil the call for all: then each half is asked for."""
        params = {
            "order_sn_list": ",".join(numbers),
            "request_order_status_pending": "true",
            "response_optional_fields": fields,
        }
        try:
            orders = self._shopee.call(DETAIL, params, _Orders).order_list or []
        except NotFound:
            if len(numbers) == 1:
                return {}
            half = len(numbers) // 2
            return self._read_orders(numbers[:half], fields) | self._read_orders(numbers[half:], fields)
        asked = set(numbers)
        texts = {_id_of("order", text_of(order)): text_of(order) for order in orders}
        return {key: text for key, text in texts.items() if key in asked}

    def _needs_escrow(self, text: str) -> bool:
        """The platform gives an order's shares of vouchers and the prices in a bundle only here."""
        if self._escrow == "never":
            return False
        try:
            order = msgspec.json.decode(text, type=_Order)
        except msgspec.MsgspecError:
            return True
        never_paid = order.order_status == "CANCELLED" and not order.pay_time and not order.cod
        if order.order_status == "UNPAID" or never_paid:
            return False
        bundled = any(
            line.promotion_type == "bundle_deal" or not line.model_discounted_price for line in order.item_list or []
        )
        return self._escrow == "paid" or bundled

    def _escrows(self, numbers: list[str]) -> dict[str, str]:
        """Escrow text by order number; an order the platform has none for is left out."""
        if self._escrow_call == "single":
            return {number: text for number in numbers if (text := self._read_escrow(number))}
        found: dict[str, str] = {}
        for batch in _batches(numbers, ESCROW_AT_ONCE):
            found |= self._read_escrows(batch)
        return found

    def _read_escrow(self, number: str) -> str | None:
        try:
            return text_of(self._shopee.call(ESCROW, {"order_sn": number}, msgspec.Raw))
        except NotFound:
            return None

    def _read_escrows(self, numbers: list[str]) -> dict[str, str]:
        try:
            answer = self._shopee.call(ESCROW_BATCH, {}, list[_Escrow] | None, body={"order_sn_list": numbers})
        except NotFound:
            if len(numbers) == 1:
                return {}
            half = len(numbers) // 2
            return self._read_escrows(numbers[:half]) | self._read_escrows(numbers[half:])
        texts = [text_of(row.escrow_detail) for row in answer or [] if bytes(row.escrow_detail)[:1] == b"{"]
        return {_id_of("order", text): text for text in texts}

    # Listings

    def _whole_items(self, heads: list[RawPayload]) -> list[RawPayload]:
        """Listings with their models. One that is deleted may be left out of the details: its row says so, and gets
        the shop's currency, since nothing is known in none."""
        params = {"item_id_list": ",".join(head.source_id for head in heads)}
        items = self._shopee.call(BASE_INFO, params, _Items).item_list or []
        texts = {_id_of("product", text_of(item)): text_of(item) for item in items}
        found = []
        for head in heads:
            text = texts.get(head.source_id)
            if text is None:
                currency = msgspec.json.encode(self._shop.currency).decode()
                found.append(replace(head, payload=_with(head.payload, "_currency", currency)))
                continue
            if msgspec.json.decode(text, type=_Item).has_model:
                models = self._shopee.call(MODELS, {"item_id": head.source_id}, msgspec.Raw)
                text = _with(text, "_model_list", text_of(models))
            found.append(replace(document("product", text, head.source_updated_at), source_id=head.source_id))
        return found

    # Write-backs

    def confirm_shipment(
        self, order_no: str, courier_code: str, tracking_no: str, lines: list[str] | None = None
    ) -> dict[str, Any]:
        """Arrange an order's parcels (logistics.ship_order).

        courier_code, lines: part of the common interface; the platform chose the courier, and knows no lines but
        packages. tracking_no: passed on where the channel is the seller's own; the platform numbers its own parcels.
        Effect once: the order is read first, and again after an unclear end; what is arranged already is not sent
        again. Returns a receipt {"status": …, "already_shipped": bool, …}. Raises ConfigError for a setting that the
        channel needs, Refused when the order cannot be shipped, Unanswered when the outcome stays unknown.
        """
        return self._shipping.arrange(order_no, tracking_no)

    def suspend_listing(self, product_id: str) -> dict[str, Any]:
        """Take a listing off sale (product.unlist_item). Returns a receipt. Raises Refused: a listing in a promotion
        cannot be taken off."""
        return self._set_unlisted(product_id, True)

    def resume_listing(self, product_id: str, quantity: int | None = None) -> dict[str, Any]:
        """Put a listing on sale again. quantity belongs to the common interface of the clients: stock is kept by
        model here, and a product does not say which. Returns a receipt. Raises Refused."""
        return self._set_unlisted(product_id, False)

    def _set_unlisted(self, product_id: str, unlist: bool) -> dict[str, Any]:
        where = f"{self._shop.id}, item {product_id}"
        if not (product_id.isascii() and product_id.isdigit()):
            raise Refused("that is no item id", where=where, remedy="check the product id")
        body = {"item_list": [{"item_id": int(product_id), "unlist": unlist}]}
        answer = self._shopee.act(UNLIST, body, repeatable=True)
        try:
            done = msgspec.json.decode(answer.response, type=_Unlisted)
        except msgspec.MsgspecError:
            done = _Unlisted()
        for failure in done.failure_list or []:  # beside an empty `error`
            reason = failure.failed_reason or "no reason given"
            if "try later" in reason.lower():
                raise Unavailable(f"the platform failed ({reason})", where=where, remedy="the next run tries again")
            remedy = "check the listing's state"
            if "promotion" in reason.lower():
                remedy = "take the listing out of the promotion, or set its stock to 0 there"
            raise Refused(f"unlist {unlist} was refused ({reason})", where=where, remedy=remedy)
        if not any(str(success.item_id) == product_id for success in done.success_list or []):
            raise Refused(f"unlist {unlist} was not confirmed", where=where, remedy="check the listing's state")
        return {"item_id": product_id, "unlist": unlist, "request_id": answer.request_id or ""}

    def is_listed(self, product_id: str) -> bool | None:
        """Whether a listing is on sale (item_status of product.get_item_base_info)."""
        rows = self._shopee.call(BASE_INFO, {"item_id_list": product_id}, _Items).item_list or []
        items = [msgspec.json.decode(row, type=_Item) for row in rows]
        found = [item.item_status for item in items if str(item.item_id) == product_id]
        return {"NORMAL": True, "UNLIST": False}.get(found[0] or "") if found else None


def _by_modified(shop: Shop) -> bool:
    return bool(shop.settings.get("items_by_modified", True))


def _batches(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _id_of(kind: str, text: str) -> str:
    found = document(kind, text, datetime.max).source_id
    return found if is_id(found) else ""


def _with(text: str, key: str, more: str | None) -> str:
    """The JSON object with one more key; the rest stays byte for byte."""
    return text if more is None else f'{text.rstrip()[:-1]},"{key}":{more}}}'
