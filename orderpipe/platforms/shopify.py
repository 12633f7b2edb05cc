"""Shopify: orders (refunds are part of them), products and listing write-backs of one shop.

Source of every fact: platform documentation of the Admin API: orders, products, webhooks, writes.
Token, cost and errors are in shopify_graphql.py, shipments in shopify_fulfilment.py, the queries in graphql/.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse
from orderpipe.platforms.base import Page, RawPayload, Refused, Window, WindowPolicy
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.shopify_fulfilment import Fulfilment
from orderpipe.platforms.shopify_graphql import AdminApi, Struggling, TooCostly
from orderpipe.platforms.tokens import TokenStore

FIRST_PAGE = 25  # objects asked for before the price of a page is known
MOST = 250  # objects the platform gives in one page
MORE = 50  # lines or variants per page, of an order or a product with more than its page holds
PAGINATION_CAP = 25_000  # objects one query can be paged through


def webhook_signature(raw_body: bytes, secret: str) -> str:
    """What X-Shopify-Hmac-Sha256 must say about a webhook: Base64 HMAC-SHA256 over the bytes as received."""
    return base64.b64encode(hmac.new(secret.encode(), raw_body, hashlib.sha256).digest()).decode()


def callback_signature(params: Mapping[str, str], secret: str) -> str:
    """The `hmac` of an OAuth callback: lower-case hex HMAC-SHA256 over the sorted k=v pairs without hmac."""
    text = "&".join(f"{key}={params[key]}" for key in sorted(params) if key != "hmac")
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class _PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


class _Connection(msgspec.Struct, rename="camel"):
    page_info: _PageInfo
    nodes: list[msgspec.Raw]


class _Orders(msgspec.Struct):
    found: _Connection = msgspec.field(name="orders")


class _Products(msgspec.Struct):
    found: _Connection = msgspec.field(name="products")


class _Within(msgspec.Struct, rename="camel"):
    page_info: _PageInfo


class _Head(msgspec.Struct, rename="camel"):
    id: str = ""
    legacy_resource_id: str | None = None
    updated_at: str | None = None
    line_items: _Within | None = None
    variants: _Within | None = None


class _Lines(msgspec.Struct):
    within: _Connection = msgspec.field(name="lineItems")


class _MoreLines(msgspec.Struct):
    whole: _Lines = msgspec.field(name="order")


class _Variants(msgspec.Struct):
    within: _Connection = msgspec.field(name="variants")


class _MoreVariants(msgspec.Struct):
    whole: _Variants = msgspec.field(name="product")


class _ProductUpdate(msgspec.Struct, rename="camel"):
    product: dict[str, Any] | None = None
    user_errors: list[dict[str, Any]] = []


class _ProductStatus(msgspec.Struct, rename="camel"):
    product_update: _ProductUpdate


class _ProductListed(msgspec.Struct):
    product: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Kind:
    """How documents of a kind are read: the query of a page and of a census, and what they answer; the part that may
    be longer than its page, the query for more of it, what that answers, and the key to put it under."""

    page: str
    census: str
    answer: type[_Orders] | type[_Products]
    part: str
    more: str
    more_answer: type[_MoreLines] | type[_MoreVariants]
    more_key: str


KINDS = {
    "order": _Kind("orders_page", "orders_census", _Orders, "line_items", "more_lines", _MoreLines, "_moreLineItems"),
    "product": _Kind(
        "products_page", "products_census", _Products, "variants", "more_variants", _MoreVariants, "_moreVariants"
    ),
}


class ShopifyClient(ShopClient):
    """One Shopify shop. Settings: page_size (first guess), throttle_budget_seconds, read_timeout_seconds,
    window_*_minutes, product_window_*_minutes, notify_customer (default true: the platform writes to the customer when
    a shipment is confirmed)."""

    # Windows end 5 minutes ago: the search index trails the orders. An order that takes stock updates its products.
    windows: ClassVar = {
        "order": WindowPolicy(span=timedelta(hours=6), overlap=timedelta(minutes=10), lag=timedelta(minutes=5)),
        "product": WindowPolicy(
            span=timedelta(days=3650),
            overlap=timedelta(minutes=10),
            lag=timedelta(minutes=5),
            first=timedelta(days=3650),
        ),
    }

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        self._api = AdminApi(self._shop, tokens, clock, self._http, self._sleep)
        self._fulfilment = Fulfilment(self._api, self._shop, self._sleep)
        self._first = min(MOST, int(self._shop.settings.get("page_size", FIRST_PAGE)))

    @property
    def warnings(self) -> list[str]:
        """What an operator should know though the calls succeeded."""
        return self._api.warnings

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every order or product updated in the window, oldest first; orders with more lines than a page holds are
        completed under the extra key `_moreLineItems`, products under `_moreVariants`. The platform gives no count.

        Raises BadResponse for anything but a complete page, and the kinds of `AdminApi.run`.
        """
        self._require(kind)
        how = KINDS[kind]
        for nodes in self._pages(how.page, how, window, self._first):
            yield Page([self._completed(node, how, window) for node in nodes])

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and update time by a second walk, newest first, in larger pages of three fields."""
        self._require(kind)
        found: dict[str, datetime] = {}
        for nodes in self._pages(KINDS[kind].census, KINDS[kind], window, MOST):
            for node in nodes:
                head = msgspec.json.decode(node, type=_Head)
                if source_id := _source_id(head):
                    found[source_id] = _updated_at(head, window)
        return found

    def _pages(self, name: str, how: _Kind, window: Window, first: int) -> Iterator[list[msgspec.Raw]]:
        """The nodes of each page of a query over the window, the page size fitted to its measured price."""
        variables = {"first": first, "after": None, "q": _search_text(window)}
        read, halved = 0, False
        while True:
            try:
                page = self._api.run(name, variables, how.answer).found
            except TooCostly:
                if variables["first"] == 1:
                    raise
                variables["first"] //= 2
                continue
            except Struggling:
                if halved or variables["first"] == 1:
                    raise
                variables["first"] //= 2
                halved = True
                continue
            yield page.nodes
            read += len(page.nodes)
            if not page.page_info.has_next_page:
                return
            if read >= PAGINATION_CAP or not page.page_info.end_cursor:
                where = f"{self._shop.id}, {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"
                setting = "product_window_span_minutes" if how is KINDS["product"] else "window_span_minutes"
                remedy = f"pull shorter windows (setting {setting})"
                raise BadResponse(f"the window cannot be paged beyond {read} objects", where=where, remedy=remedy)
            variables |= {"after": page.page_info.end_cursor}
            if not halved:
                variables["first"] = self._fitting(name, variables["first"])

    def _fitting(self, name: str, first: int) -> int:
        """A page size whose price stays below 900 points and half the bucket. Prices are measured, not computed."""
        limit = min(900.0, 0.5 * self._api.bucket.maximum)
        cost = self._api.cost_of(name)
        return max(1, min(MOST, int(first * limit / cost))) if cost > 0 else first

    def _completed(self, node: msgspec.Raw, how: _Kind, window: Window) -> RawPayload:
        text = bytes(node).decode()
        try:
            head = msgspec.json.decode(node, type=_Head)
        except msgspec.MsgspecError:
            return RawPayload("", window.start, text)
        part = getattr(head, how.part)
        if part and part.page_info.has_next_page:
            more = ",".join(bytes(row).decode() for row in self._more(how, head.id, part.page_info))
            text = f'{text[:-1]},"{how.more_key}":[{more}]}}'
        return RawPayload(_source_id(head), _updated_at(head, window), text)

    def _more(self, how: _Kind, whole_id: str, page: _PageInfo) -> Iterator[msgspec.Raw]:
        while page.has_next_page:
            variables = {"id": whole_id, "first": MORE, "after": page.end_cursor}
            rows = self._api.run(how.more, variables, how.more_answer).whole.within
            yield from rows.nodes
            page = rows.page_info

    # Write-backs

    def confirm_shipment(
        self, order_no: str, courier_code: str, tracking_no: str, lines: list[str] | None = None
    ) -> dict[str, Any]:
        """Tell the platform that a parcel has left (fulfillmentCreate).

        order_no: id of the order, a number or a global id. courier_code: the courier's name as the platform lists it
        (SF Express, DHL Express, …): for these it makes the tracking link itself. lines: ids of the lines in the
        parcel, each with all of its pieces that still wait; None means everything that is still to be shipped. Effect
        once: the order is read first, and again after a refusal or an unclear end; a parcel it knows already is not
        sent again. Returns a receipt {"status": …, "already_shipped": bool, …}. Raises Refused when the order cannot
        be shipped (held, cancelled), Unanswered when the outcome stays unknown.
        """
        return self._fulfilment.confirm(order_no, courier_code, tracking_no, lines)

    def suspend_listing(self, product_id: str) -> dict[str, Any]:
        """Take a product off all sales channels (status DRAFT). Returns a receipt; raises Refused on userErrors."""
        return self._set_status(product_id, "DRAFT")

    def resume_listing(self, product_id: str, quantity: int | None = None) -> dict[str, Any]:
        """Put a product on sale again (status ACTIVE). quantity belongs to the common interface of the clients:
        this platform keeps stock at the inventory levels, not at the listing."""
        return self._set_status(product_id, "ACTIVE")

    def _set_status(self, product_id: str, status: str) -> dict[str, Any]:
        gid = _product_gid(product_id)
        variables = {"product": {"id": gid, "status": status}}
        answer = self._api.run("product_status", variables, _ProductStatus).product_update
        if answer.user_errors or not answer.product:
            fields = ", ".join(str(error.get("message", "")) for error in answer.user_errors) or "no product came back"
            where = f"{self._shop.id}, product {gid.rpartition('/')[2]}"
            raise Refused(f"the status {status} was refused ({fields})", where=where, remedy="check the product id")
        return {"id": answer.product.get("id"), "status": answer.product.get("status")}

    def is_listed(self, product_id: str) -> bool | None:
        """Whether a product is on sale (its status is ACTIVE)."""
        product = self._api.run("product_listed", {"id": _product_gid(product_id)}, _ProductListed).product
        return {"ACTIVE": True, "DRAFT": False}.get(product.get("status", "")) if product else None


def _product_gid(product_id: str) -> str:
    return product_id if product_id.startswith("gid://") else f"gid://shopify/Product/{product_id}"


def _search_text(window: Window) -> str:
    """The filter for [start, end) rounded outwards to whole seconds, which is the resolution of updated_at."""
    start, end = window.start.astimezone(UTC), (window.end + timedelta(microseconds=999_999)).astimezone(UTC)
    return f"updated_at:>='{start:%Y-%m-%dT%H:%M:%SZ}' AND updated_at:<'{end:%Y-%m-%dT%H:%M:%SZ}'"


def _source_id(head: _Head) -> str:
    return head.legacy_resource_id or head.id.rpartition("/")[2]


def _updated_at(head: _Head, window: Window) -> datetime:
    try:
        return datetime.fromisoformat(head.updated_at or "").astimezone(UTC)
    except ValueError:
        return window.start
