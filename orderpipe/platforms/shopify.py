"""Shopify: orders (refunds are part of them) and listing write-backs of one shop.

Source of every fact: platform documentation of the Admin API, sections "Orders query", "Webhooks" and "Writes".
Token, cost and errors are in shopify_graphql.py, the queries in graphql/.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse
from orderpipe.platforms.base import Page, RawPayload, Refused, Window, WindowPolicy
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.shopify_graphql import AdminApi, Struggling, TooCostly
from orderpipe.platforms.tokens import TokenStore

FIRST_PAGE = 25  # orders asked for before the price of a page is known
MOST = 250  # objects the platform gives in one page
MORE_LINES = 50  # lines per page of an order with more than its page holds
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
    orders: _Connection


class _LinesHead(msgspec.Struct, rename="camel"):
    page_info: _PageInfo


class _Head(msgspec.Struct, rename="camel"):
    id: str = ""
    legacy_resource_id: str | None = None
    updated_at: str | None = None
    line_items: _LinesHead | None = None


class _OrderLines(msgspec.Struct, rename="camel"):
    line_items: _Connection


class _MoreLines(msgspec.Struct):
    order: _OrderLines


class _ProductUpdate(msgspec.Struct, rename="camel"):
    product: dict[str, Any] | None = None
    user_errors: list[dict[str, Any]] = []


class _ProductStatus(msgspec.Struct, rename="camel"):
    product_update: _ProductUpdate


class ShopifyClient(ShopClient):
    """One Shopify shop. Settings: page_size (first guess), throttle_budget_seconds, read_timeout_seconds,
    window_*_minutes."""

    # Windows end 5 minutes ago: the search index trails the orders.
    windows: ClassVar = {
        "order": WindowPolicy(span=timedelta(hours=6), overlap=timedelta(minutes=10), lag=timedelta(minutes=5))
    }

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        self._api = AdminApi(self._shop, tokens, clock, self._http, self._sleep)
        self._first = min(MOST, int(self._shop.settings.get("page_size", FIRST_PAGE)))

    @property
    def warnings(self) -> list[str]:
        """What an operator should know though the calls succeeded."""
        return self._api.warnings

    # Orders

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every order updated in the window, oldest first; orders with more lines than a page holds are completed
        under the extra key `_moreLineItems`. The platform gives no count.

        Raises BadResponse for anything but a complete page, and the kinds of `AdminApi.run`.
        """
        self._require(kind)
        for nodes in self._pages("orders_page", window, self._first):
            yield Page([self._completed(node, window) for node in nodes])

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and update time by a second walk, newest first, in larger pages of three fields."""
        self._require(kind)
        found: dict[str, datetime] = {}
        for nodes in self._pages("orders_census", window, MOST):
            for node in nodes:
                head = msgspec.json.decode(node, type=_Head)
                if source_id := _source_id(head):
                    found[source_id] = _updated_at(head, window)
        return found

    def _pages(self, name: str, window: Window, first: int) -> Iterator[list[msgspec.Raw]]:
        """The nodes of each page of a query over the window, the page size fitted to its measured price."""
        variables = {"first": first, "after": None, "q": _search_text(window)}
        read, halved = 0, False
        while True:
            try:
                orders = self._api.run(name, variables, _Orders).orders
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
            yield orders.nodes
            read += len(orders.nodes)
            if not orders.page_info.has_next_page:
                return
            if read >= PAGINATION_CAP or not orders.page_info.end_cursor:
                where = f"{self._shop.id}, {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"
                remedy = "pull shorter windows (setting window_span_minutes)"
                raise BadResponse(f"the window cannot be paged beyond {read} orders", where=where, remedy=remedy)
            variables |= {"after": orders.page_info.end_cursor}
            if not halved:
                variables["first"] = self._fitting(name, variables["first"])

    def _fitting(self, name: str, first: int) -> int:
        """A page size whose price stays below 900 points and half the bucket. Prices are measured, not computed."""
        limit = min(900.0, 0.5 * self._api.bucket.maximum)
        cost = self._api.cost_of(name)
        return max(1, min(MOST, int(first * limit / cost))) if cost > 0 else first

    def _completed(self, node: msgspec.Raw, window: Window) -> RawPayload:
        text = bytes(node).decode()
        try:
            head = msgspec.json.decode(node, type=_Head)
        except msgspec.MsgspecError:
            return RawPayload("", window.start, text)
        if head.line_items and head.line_items.page_info.has_next_page:
            more = ",".join(bytes(line).decode() for line in self._more_lines(head.id, head.line_items.page_info))
            text = f'{text[:-1]},"_moreLineItems":[{more}]}}'
        return RawPayload(_source_id(head), _updated_at(head, window), text)

    def _more_lines(self, order_id: str, page: _PageInfo) -> Iterator[msgspec.Raw]:
        while page.has_next_page:
            variables = {"id": order_id, "first": MORE_LINES, "after": page.end_cursor}
            lines = self._api.run("more_lines", variables, _MoreLines).order.line_items
            yield from lines.nodes
            page = lines.page_info

    # Write-backs

    def suspend_listing(self, product_id: str) -> dict[str, Any]:
        """Take a product off all sales channels (status DRAFT). Returns a receipt; raises Refused on userErrors."""
        return self._set_status(product_id, "DRAFT")

    def resume_listing(self, product_id: str, quantity: int | None = None) -> dict[str, Any]:
        """Put a product on sale again (status ACTIVE). quantity belongs to the common interface of the clients:
        this platform keeps stock at the inventory levels, not at the listing."""
        return self._set_status(product_id, "ACTIVE")

    def _set_status(self, product_id: str, status: str) -> dict[str, Any]:
        gid = product_id if product_id.startswith("gid://") else f"gid://shopify/Product/{product_id}"
        variables = {"product": {"id": gid, "status": status}}
        answer = self._api.run("product_status", variables, _ProductStatus).product_update
        if answer.user_errors or not answer.product:
            fields = ", ".join(str(error.get("message", "")) for error in answer.user_errors) or "no product came back"
            where = f"{self._shop.id}, product {gid.rpartition('/')[2]}"
            raise Refused(f"the status {status} was refused ({fields})", where=where, remedy="check the product id")
        return {"id": answer.product.get("id"), "status": answer.product.get("status")}


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
