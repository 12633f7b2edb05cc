"""What receivers send to us: whether it is theirs, and what it says as a JSON document.

Source of every fact: platform documentation of Qimen, sections "Transport" and "WMS → ERP", and of Kuaidi100, sections
"Credentials and signing" and "Subscribe".
"""

import hashlib
import hmac
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from orderpipe.config import Receiver
from orderpipe.dispatch import kuaidi100
from orderpipe.errors import OrderpipeError
from orderpipe.platforms import top
from orderpipe.platforms.base import credential

QIMEN, KUAIDI100 = "qimen", "kuaidi100"
PREFIX = "taobao.qimen."
# Elements that only wrap repeated children: a list even of one child, or of none.
WRAPPERS = frozenset(
    (
        *("orderLines", "packages", "items", "batchs", "snList", "packageMaterialList", "relatedOrders"),
        *("criteriaList", "processes", "orders", "invoices", "deliveryOrders", "subSourceOrders"),
    )
)
_SHANGHAI = ZoneInfo("Asia/Shanghai")
# Where documents tell when what they tell of happened, best first.
_TIMES = ("orderConfirmTime", "operateTime", "changeTime", "checkTime", "createTime")


class Unreadable(OrderpipeError):
    """A callback that is what its sender sent, and is no document of the kind."""


@dataclass(frozen=True)
class Document:
    """A callback as it lands. platform, shop_id, kind, source_id: as in raw.payloads. at: its own time, aware UTC;
    None when it tells none. text: JSON."""

    platform: str
    shop_id: str
    kind: str
    source_id: str
    at: datetime | None
    text: str


def is_from_warehouse(receiver: Receiver, params: Mapping[str, str], body: str) -> bool:
    """Whether a Qimen request is signed by the warehouse: with callback_app_key and callback_secret, which are app_key
    and secret where they are not set.

    params: every parameter of the query as it came, decoded, those that somebody on the way added included. body: as
    sent. Raises ConfigError when the credentials are missing.
    """
    key, secret = (
        receiver.credentials.get(f"callback_{name}", "").strip() or credential(receiver, name)
        for name in ("app_key", "secret")
    )
    method, given = params.get("sign_method") or "md5", params.get("sign", "")
    if method not in ("md5", "hmac", "hmac-sha256") or params.get("app_key") != key or not given:
        return False
    return hmac.compare_digest(top.sign(params, secret, method, body).encode(), given.upper().encode())


def is_from_courier(receiver: Receiver, param: str, given: str) -> bool:
    """Whether a push is signed with our salt. param: its text as it came. Raises ConfigError when no salt is set:
    then nobody can tell."""
    expected = kuaidi100.sign(param, credential(receiver, "salt"))
    return hmac.compare_digest(expected.encode(), given.upper().encode())


def method_of(params: Mapping[str, str]) -> str:
    """The method of a Qimen request, which comes with and without its prefix."""
    return params.get("method", "").removeprefix(PREFIX).removeprefix("qimen.")


def form(body: str) -> dict[str, str]:
    """The fields of a posted form. Raises Unreadable when there are absurdly many."""
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise Unreadable("not a form", where=KUAIDI100) from None


def from_warehouse(method: str, body: str) -> list[Document]:
    """The documents of a Qimen request: one, but for a batch, which holds several confirmations.

    Raises Unreadable when the body is no XML document, or one with a document type: no entity is ever expanded.
    """
    if "<!DOCTYPE" in body or "<!ENTITY" in body:
        raise Unreadable("a document type is not accepted", where=QIMEN)
    try:
        root = ET.fromstring(body.encode())
    except ET.ParseError:
        raise Unreadable("not XML", where=QIMEN) from None
    request = as_json(root)
    if not isinstance(request, dict):
        raise Unreadable("an empty request", where=QIMEN)
    if method == "deliveryorder.batchconfirm":
        orders = request.get("orders")
        if not isinstance(orders, list) or not all(isinstance(order, dict) for order in orders):
            raise Unreadable("a batch without orders", where=QIMEN)
        return [warehouse_document("deliveryorder.confirm", order) for order in orders]
    return [warehouse_document(method, request)]


def warehouse_document(method: str, request: Mapping[str, Any]) -> Document:
    """The document of what a warehouse said: a request of its own, or its answer to a question of ours."""
    text = json.dumps({"method": method, "request": request}, ensure_ascii=False)
    code = _first(request, ("deliveryOrderCode", "returnOrderCode", "entryOrderCode", "orderCode", "checkOrderCode"))
    number = _first(request, ("outBizCode",)) or f"{code}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    at = next((moment for name in _TIMES for value in _all(request, name) if (moment := _moment(value))), None)
    return Document("wms", "wms", "wms_callback", f"{method}:{number}", at, text)


def from_courier(param: str) -> Document:
    """The document of a tracking push. Raises Unreadable when it is no JSON object."""
    try:
        content = json.loads(param)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Unreadable("not a JSON object", where=KUAIDI100)
    return courier_document(content, param)


def courier_document(content: Mapping[str, Any], text: str | None = None) -> Document:
    """The document of what a courier said of a number: a push, or an answer in the shape of one. text: as it came."""
    result = content.get("lastResult")
    result = result if isinstance(result, dict) else {}
    scans = result.get("data")
    moments = [_moment(scan.get("time")) for scan in scans if isinstance(scan, dict)] if isinstance(scans, list) else []
    at = max((moment for moment in moments if moment), default=None)
    source_id = f"{result.get('com') or ''}:{result.get('nu') or ''}"
    return Document("kuaidi100", "courier", "courier_callback", source_id, at, text or json.dumps(content))


def as_json(element: ET.Element) -> Any:
    """An element without children is its text; a wrapper is the list of its children, and so is any element that
    repeats one; everything else is an object."""
    children = list(element)
    if element.tag in WRAPPERS or (len(children) > 1 and len({child.tag for child in children}) == 1):
        return [as_json(child) for child in children]
    if not children:
        return element.text or ""
    return {child.tag: as_json(child) for child in children}


def _all(value: Any, name: str) -> Iterator[Any]:
    """Every value of that name, nested ones after those above them."""
    if isinstance(value, Mapping):
        if name in value:
            yield value[name]
        for inner in value.values():
            yield from _all(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _all(inner, name)


def _first(value: Any, names: tuple[str, ...]) -> str:
    found = (str(text).strip() for name in names for text in _all(value, name) if isinstance(text, str))
    return next((text for text in found if text), "")


def _moment(value: Any) -> datetime | None:
    """A time as these systems write it, GMT+8; None for anything else."""
    try:
        return datetime.strptime(str(value).strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=_SHANGHAI)
    except ValueError:
        return None
