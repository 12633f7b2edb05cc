"""Kuaidi100: waybills (electronic labels) from the courier.

Source of every fact: platform documentation of Kuaidi100, sections "Credentials and signing" and "Electronic waybill".
"""

import hashlib
import json
import re
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx

from orderpipe.clock import Clock
from orderpipe.config import Receiver
from orderpipe.dispatch import masking
from orderpipe.dispatch.outcome import ACKNOWLEDGED, BUSY, REJECTED, RETRY, Answer, Outcome, post
from orderpipe.platforms.base import credential
from orderpipe.platforms.http import endpoint
from orderpipe.platforms.pace import paced_client

# Codes by which the account or the key is wrong: no other call fares better until somebody mends it.
HALTS = {
    30002: "签名错误；请检查 KUAIDI100_KEY、KUAIDI100_SECRET",
    30003: "账号或授权 key 错误；请检查 KUAIDI100_KEY",
    30004: "账号单量不足；请充值，充值后自动补发",
}
PARAMETER, SERVER, NO_TASK = 30001, -1, 30009


def sign(*parts: str) -> str:
    """MD5, upper-case hex, over the concatenated parts.

    label: param, t, key, secret. query: param, key, customer. push callback: param, salt.
    """
    return hashlib.md5("".join(parts).encode()).hexdigest().upper()


class Kuaidi100Auth(httpx.Auth):
    """Adds t (epoch milliseconds), key and the signature over exactly the `param` text that is posted."""

    requires_request_body = True

    def __init__(self, receiver: Receiver, clock: Clock):
        self._clock = clock
        self._key, self._secret = credential(receiver, "key"), credential(receiver, "secret")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        form = dict(parse_qsl(request.content.decode()))
        t = str(int(self._clock.now().timestamp() * 1000))
        form |= {"t": t, "key": self._key, "sign": sign(form["param"], t, self._key, self._secret)}
        yield httpx.Request(
            "POST",
            request.url,
            headers={name: value for name, value in request.headers.items() if name != "content-length"},
            content=urlencode(form).encode(),
            extensions=request.extensions,
        )


class Kuaidi100Client:
    """The waybill service."""

    def __init__(self, receiver: Receiver, clock: Clock, http: httpx.Client | None = None):
        self._url = endpoint(receiver.base_url, "/label/order", where=receiver.name)
        self._auth = Kuaidi100Auth(receiver, clock)
        self._secrets = masking.secrets(receiver.credentials)
        self._http, self._owns_http = http or paced_client(receiver, 30.0), http is None

    def close(self) -> None:
        """Give back the connections this client opened."""
        if self._owns_http:
            self._http.close()

    def order_label(self, param: Mapping[str, Any], *, retry: bool, look_first: bool = False) -> Outcome:
        """Order a waybill number (method `order`); effect once per orderId.

        param: the fields of the documentation; weight in kg, valinsPay and collection in yuan. orderId is required
        (ValueError), reorder is always sent as false: within 48 hours of the first success every repetition gives
        the same number, which makes `retry` safe without another question. look_first: its memory may have ended, so
        it is asked whether it has the label (find_label). receipt: kuaidicom, kuaidinum, kdComOrderNum, taskId.
        """
        if not param.get("orderId"):
            raise ValueError("a waybill without orderId would be bought again on every attempt")
        if look_first:
            known = self.find_label(param["orderId"])
            if known.status != REJECTED:
                receipt = {"kuaidicom": param["kuaidicom"], **known.receipt} if known.receipt else {}
                return replace(known, receipt=receipt)
        outcome = self._ask("order", {**param, "reorder": False})
        if outcome.status == ACKNOWLEDGED and "kuaidinum" not in outcome.receipt:
            return replace(outcome, status=RETRY, error="快递100的应答里没有运单号")
        receipt = {"kuaidicom": str(param["kuaidicom"]), **outcome.receipt} if outcome.receipt else {}
        return replace(outcome, receipt=receipt)

    def find_label(self, reference: str) -> Outcome:
        """What the courier holds under our reference (method `detail`, of which the documentation tells only the name:
        the parameter orderId and the field status are taken from the neighbouring methods).

        Acknowledged with the numbers in the receipt, and status live, cancelled or picked_up; 'rejected' when there is
        no such label.
        """
        found = self._ask("detail", {"orderId": reference})
        if found.status == REJECTED and found.code != str(NO_TASK):  # not allowed, not offered: nobody knows
            return replace(found, status=RETRY)
        return found

    def cancel_label(self, cancel: Mapping[str, Any]) -> Outcome:
        """Give a waybill back (method `cancel`), before the courier has picked the parcel up.

        cancel: kuaidicom, partnerId, reference (ours), and kuaidinum with orderId = kdComOrderNum as they were given;
        without them the label is looked for first, and one that does not exist counts as given back. A label that is
        cancelled already is acknowledged; one that was picked up is 'rejected' with too_late.
        """
        param = {name: value for name, value in cancel.items() if value and name != "reference"}
        if not cancel.get("kuaidinum"):
            known = self.find_label(cancel["reference"])
            if known.status == REJECTED:
                return replace(known, status=ACKNOWLEDGED, receipt={"unknown": True}, error=None)
            if known.status != ACKNOWLEDGED:
                return known
            param |= {"kuaidinum": known.receipt["kuaidinum"], "orderId": known.receipt.get("kdComOrderNum", "")}
        outcome = self._ask("cancel", param)
        if outcome.status != REJECTED:
            return outcome
        held = self.find_label(cancel["reference"])
        if held.status == ACKNOWLEDGED and held.receipt.get("status") == "cancelled":
            return replace(held, receipt={"kuaidinum": param["kuaidinum"], "read": True})
        return outcome if held.status == ACKNOWLEDGED else replace(outcome, status=held.status)

    def _ask(self, method: str, param: Mapping[str, Any]) -> Outcome:
        text = json.dumps(param, ensure_ascii=False, separators=(",", ":"))
        answer = post(self._http, self._url, self._auth, data={"method": method, "param": text})
        shown = json.dumps(masking.document(param), ensure_ascii=False, separators=(",", ":"))
        return _judge(answer, shown, [*masking.personal_values(param), *self._secrets])


def _judge(answer: Answer, shown: str, hidden: list[str]) -> Outcome:
    if answer.text is None:
        return answer.outcome(RETRY, shown, answer.failure, reached=False)
    try:
        reply = json.loads(answer.text)
        code, message = int(reply["code"]), str(reply.get("message") or "")
        data = reply["data"] if isinstance(reply.get("data"), dict) else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.outcome(RETRY, shown, f"快递100的应答无法识别（HTTP {answer.http_status}）", reached=False)
    if code == 200:
        receipt = {name: str(data[name]) for name in _RECEIPT if data.get(name)}
        return answer.outcome(ACKNOWLEDGED, shown, receipt=receipt, request_id=receipt.get("taskId"))
    if code in HALTS:
        return answer.outcome(RETRY, shown, f"快递100 {code}：{HALTS[code]}", halts=True)
    if code == PARAMETER:
        return answer.outcome(REJECTED, shown, f"快递100 {code}：参数错误：{message}", hidden=hidden, code=str(code))
    if code == SERVER or BUSY.search(message):
        return answer.outcome(RETRY, shown, f"快递100 {code}：{message}", hidden=hidden)
    # Anything else is the courier's own message (address out of reach, picked up, no numbers left).
    error = f"快递公司拒绝（{code}）：{message}"
    too_late = bool(_PICKED_UP.search(message))
    return answer.outcome(REJECTED, shown, error, hidden=hidden, too_late=too_late, code=str(code))


_RECEIPT = ("kuaidinum", "kdComOrderNum", "taskId", "status")
_PICKED_UP = re.compile("已揽收|已取件|已交运|已发出")
