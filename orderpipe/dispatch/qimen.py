"""Qimen: delivery orders to the warehouse (WMS).

Source of every fact: platform documentation of Qimen, sections "Transport", "deliveryorder.create" and "Errors".
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from orderpipe.clock import Clock
from orderpipe.config import Receiver
from orderpipe.dispatch import masking
from orderpipe.dispatch.outcome import ACKNOWLEDGED, BUSY, REJECTED, RETRY, Answer, Outcome, post
from orderpipe.errors import Unavailable
from orderpipe.platforms.base import credential
from orderpipe.platforms.http import endpoint
from orderpipe.platforms.pace import paced_client
from orderpipe.platforms.top import sign, time_text

EXISTS = re.compile(r"already[ -]?exist|duplicate|已存在|重复", re.I)

# What XML 1.0 forbids, other control characters, and emoji: many warehouse databases fail on them. Characters
# outside the basic plane that are not emoji stay: rare Chinese names need them.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
    "\U0001f000-\U0001fbff\U000e0000-\U000e007f\u2600-\u2604\u2607-\u27bf\u2b50\u2b55\ufe0e\ufe0f\u200d\u20e3]"
)


class QimenAuth(httpx.Auth):
    """Puts the common parameters and the signature over parameters and body into the query string."""

    requires_request_body = True

    def __init__(self, receiver: Receiver, clock: Clock):
        self._clock = clock
        self._secret = credential(receiver, "secret")
        self._common = {
            "app_key": credential(receiver, "app_key"),
            "customerId": credential(receiver, "customer_id"),
            "format": "xml",
            "v": "2.0",
            "sign_method": "md5",
        }

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        params = {**dict(request.url.params), **self._common, "timestamp": time_text(self._clock.now())}
        params["sign"] = sign(params, self._secret, "md5", request.content.decode())
        request.url = request.url.copy_with(params=params)
        yield request


class QimenClient:
    """The warehouse behind one Qimen address."""

    def __init__(self, receiver: Receiver, clock: Clock, http: httpx.Client | None = None):
        self._url = endpoint(receiver.base_url, "/router/qimen/service", where=receiver.name)
        self._auth = QimenAuth(receiver, clock)
        self._secrets = masking.secrets(receiver.credentials)
        self._http, self._owns_http = http or paced_client(receiver, 30.0), http is None

    def close(self) -> None:
        """Give back the connections this client opened."""
        if self._owns_http:
            self._http.close()

    def create_delivery_order(self, order: Mapping[str, Any], *, retry: bool) -> Outcome:
        """Ask the warehouse to ship (deliveryorder.create); effect once per deliveryOrderCode.

        order: {"delivery_order": {element: text or nested dict}, "lines": [{element: text}]}, Qimen's element names,
        money in yuan, times in GMT+8. retry: an earlier attempt may have arrived, so the warehouse is asked first
        whether it has the order. receipt: deliveryOrderCode, deliveryOrderId, warehouseCode, status, … as it answers.
        """
        head = order["delivery_order"]
        body = {"deliveryOrder": head, "orderLines": [{"orderLine": line} for line in order["lines"]]}
        attempt = _Attempt(head["deliveryOrderCode"], body, self._secrets)
        if retry:
            known = attempt.note(self._find(head))
            if known.unclear or known.halts or known.holds(head["deliveryOrderCode"]):
                return attempt.outcome(known)
        reply = attempt.note(self.call("deliveryorder.create", body))
        if reply.flag == "failure" and EXISTS.search(reply.reason):
            known = attempt.note(self._find(head))
            if known.unclear or known.halts or known.holds(head["deliveryOrderCode"]):
                return attempt.outcome(known)
        return attempt.outcome(reply)

    def cancel_order(self, cancel: Mapping[str, Any]) -> Outcome:
        """Ask the warehouse not to ship (order.cancel); saying so twice is harmless.

        cancel: warehouseCode, ownerCode, orderCode, orderType, cancelReason. An order the warehouse does not have, or
        has stopped already, is acknowledged; one that it has picked or shipped is 'rejected' with too_late.
        """
        attempt = _Attempt(cancel["orderCode"], cancel, self._secrets)
        reply = attempt.note(self.call("order.cancel", cancel))
        if reply.flag != "failure" or reply.unclear or reply.halts:
            return attempt.outcome(reply)
        head = {"warehouseCode": cancel["warehouseCode"], "deliveryOrderCode": cancel["orderCode"]}
        known = attempt.note(self._find(head))
        if known.unclear or known.halts:
            return attempt.outcome(known)
        if not known.holds(cancel["orderCode"]) or known.text("status") in GIVEN_UP:
            status = known.text("status") or "unknown"
            return replace(attempt.outcome(known), status=ACKNOWLEDGED, error=None, receipt={"status": status})
        return replace(attempt.outcome(reply), too_late=True, receipt={"status": known.text("status")})

    def create_return_order(self, order: Mapping[str, Any]) -> Outcome:
        """Tell the warehouse of goods that come back (returnorder.create); effect once per returnOrderCode, so that an
        attempt whose answer was lost is sent again as it was. Qimen has no question for reverse orders.

        order: {"return_order": {…}, "lines": [{…}]}, Qimen's element names. receipt: returnOrderCode, returnOrderId.
        """
        head = order["return_order"]
        body = {"returnOrder": head, "orderLines": [{"orderLine": line} for line in order["lines"]]}
        attempt = _Attempt(head["returnOrderCode"], body, self._secrets)
        reply = attempt.note(self.call("returnorder.create", body))
        made = attempt.outcome(reply)
        if reply.flag == "success" or (reply.flag == "failure" and EXISTS.search(reply.reason)):
            found = reply.text("returnOrderId")
            receipt = {"returnOrderCode": head["returnOrderCode"]} | ({"returnOrderId": found} if found else {})
            made = replace(made, status=ACKNOWLEDGED, error=None, receipt=receipt)
        return made

    def status_of(self, code: str, warehouse_code: str) -> str | None:
        """The warehouse's word on a delivery order (deliveryorder.query): its status; None when it has none of that
        code. Raises Unavailable when no clear answer comes."""
        known = self.find(code, warehouse_code)
        if known.unclear or known.halts:
            raise Unavailable(known.reason or known.answer.failure or "no clear answer", where=f"wms, {code}")
        return (known.text("status") or "NEW") if known.holds(code) else None

    def find(self, code: str, warehouse_code: str | None) -> "Reply":
        """Ask the warehouse for a delivery order (deliveryorder.query) once. The answer, whatever it is."""
        criteria = {"warehouseCode": warehouse_code, "orderCode": code, "page": "1", "pageSize": "50"}
        return self.call("deliveryorder.query", criteria)

    def _find(self, head: Mapping[str, Any]) -> "Reply":
        return self.find(head["deliveryOrderCode"], head.get("warehouseCode"))

    def call(self, method: str, body: Mapping[str, Any]) -> "Reply":
        """Call a method (`inventory.query`) once; body as `xml_text` takes it. The answer, whatever it is."""
        answer = post(
            self._http,
            self._url,
            self._auth,
            params={"method": f"taobao.qimen.{method}"},
            content=xml_text(body).encode(),
            headers={"Content-Type": "text/xml;charset=utf-8"},
        )
        return Reply(answer, _parsed(answer.text))


@dataclass(frozen=True)
class Reply:
    """One answer of the warehouse. root is None when it is not a Qimen answer: nothing, HTML, cut short."""

    answer: Answer
    root: ET.Element | None

    def text(self, name: str) -> str:
        """The text of the first element with this name, or ''."""
        found = self.root.findtext(f".//{name}") if self.root is not None else None
        return (found or "").strip()

    @property
    def flag(self) -> str:
        """success, failure, or '' when this is no answer of the warehouse."""
        return self.text("flag").lower()

    @property
    def reason(self) -> str:
        """Code and message, for people."""
        return f"{self.text('code')} {self.text('message')}".strip()

    def rows(self, path: str) -> list[dict[str, str]]:
        """The elements at a path below the answer, each as its children's names and texts."""
        found = self.root.findall(path) if self.root is not None else []
        return [{child.tag: (child.text or "").strip() for child in row} for row in found]

    def holds(self, code: str) -> bool:
        """Whether this answer to `find` has that delivery order."""
        return self.flag == "success" and self.text("deliveryOrderCode") == code

    @property
    def halts(self) -> bool:
        """Whether our signature is not accepted: no other call fares better."""
        return self.flag == "failure" and "sign-check-failure" in self.reason

    @property
    def unclear(self) -> bool:
        """Whether it may have happened or not: send the same code again later."""
        return self.flag not in ("success", "failure") or (self.flag == "failure" and bool(BUSY.search(self.reason)))


class _Attempt:
    """One hand-over with all the requests it took."""

    def __init__(self, code: str, body: Mapping[str, Any], secrets: list[str]):
        self._code, self._latency_ms = code, 0
        self._hidden = [*masking.personal_values(body), *secrets]
        self._shown = xml_text(masking.document(body))

    def note(self, reply: Reply) -> Reply:
        self._latency_ms += reply.answer.latency_ms
        return reply

    def outcome(self, reply: Reply) -> Outcome:
        status, error, receipt = REJECTED, f"仓库拒绝：{reply.reason}", {}
        if reply.flag == "success":
            found = {name: reply.text(name) for name in _RECEIPT}
            receipt = {"deliveryOrderCode": self._code} | {name: text for name, text in found.items() if text}
            given_up = found["status"] in GIVEN_UP
            status, error = (REJECTED, f"仓库已终止此发货单：{found['status']}") if given_up else (ACKNOWLEDGED, None)
        elif reply.flag == "failure" and reply.unclear:
            status, error = RETRY, f"仓库繁忙：{reply.reason}"
        elif reply.unclear:
            status, error = RETRY, reply.answer.failure or f"仓库的应答无法识别（HTTP {reply.answer.http_status}）"
        elif reply.halts:
            status, error = RETRY, f"{error}；请检查 WMS_APP_KEY、WMS_SECRET、WMS_CUSTOMER_ID"
        return reply.answer.outcome(
            status,
            self._shown,
            error,
            hidden=self._hidden,
            receipt=receipt,
            request_id=reply.text("request_id") or reply.text("requestId") or None,
            latency_ms=self._latency_ms,
            reached=reply.flag != "",
            halts=reply.halts,
        )


GIVEN_UP = ("CANCELED", "CLOSED", "REJECT")
_RECEIPT = ("deliveryOrderId", "warehouseCode", "logisticsCode", "createTime", "status")


def xml_text(body: Mapping[str, Any]) -> str:
    """A Qimen request document. Nested dicts become elements, a list of one-key dicts a wrapper with repeated
    children, None is left out; text loses control characters and emoji."""
    root = ET.Element("request")
    _fill(root, body)
    return '<?xml version="1.0" encoding="utf-8"?>' + ET.tostring(root, encoding="unicode")


def _fill(parent: ET.Element, value: Any) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if item is not None:
                _fill(ET.SubElement(parent, name), item)
    elif isinstance(value, list):
        for item in value:
            _fill(parent, item)
    else:
        parent.text = re.sub(r"[\t\r\n]+", " ", _UNWANTED.sub("", str(value)))


def _parsed(text: str | None) -> ET.Element | None:
    """The root of a Qimen answer; None for anything else. A document type is refused: no entity is ever expanded."""
    if not text or "<!DOCTYPE" in text:
        return None
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return None
    return root if root.tag == "response" else None
