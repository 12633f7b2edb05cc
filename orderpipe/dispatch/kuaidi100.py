"""Kuaidi100: waybills (electronic labels) from the courier.

Source of every fact: platform documentation of Kuaidi100, sections "Credentials and signing" and "Electronic waybill".
"""

import hashlib
import json
from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx

from orderpipe.clock import Clock
from orderpipe.config import Receiver
from orderpipe.dispatch import masking
from orderpipe.dispatch.outcome import ACKNOWLEDGED, BUSY, REJECTED, RETRY, Answer, Outcome, post
from orderpipe.platforms.base import credential
from orderpipe.platforms.http import endpoint, new_client

# Codes by which the request, the account or the key is wrong: sending it again changes nothing.
REJECTIONS = {
    30001: "参数错误",
    30002: "签名错误；请检查 KUAIDI100_KEY、KUAIDI100_SECRET",
    30003: "账号或授权 key 错误；请检查 KUAIDI100_KEY",
    30004: "账号单量不足；请充值后重发",
}


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
        self._http, self._owns_http = http or new_client(read_timeout=30), http is None

    def close(self) -> None:
        """Give back the connections this client opened."""
        if self._owns_http:
            self._http.close()

    def order_label(self, param: Mapping[str, Any], *, retry: bool) -> Outcome:
        """Order a waybill number (method `order`); effect once per orderId.

        param: the fields of the documentation; weight in kg, valinsPay and collection in yuan. orderId is required
        (ValueError), reorder is always sent as false: within 48 hours of the first success every repetition gives
        the same number, which makes `retry` safe without another question. receipt: kuaidinum, kdComOrderNum, taskId.
        """
        if not param.get("orderId"):
            raise ValueError("a waybill without orderId would be bought again on every attempt")
        sent = {**param, "reorder": False}
        text = json.dumps(sent, ensure_ascii=False, separators=(",", ":"))
        answer = post(self._http, self._url, self._auth, data={"method": "order", "param": text})
        shown = json.dumps(masking.document(sent), ensure_ascii=False, separators=(",", ":"))
        return _judge(answer, shown, [*masking.personal_values(sent), *self._secrets])


def _judge(answer: Answer, shown: str, hidden: list[str]) -> Outcome:
    if answer.text is None:
        return answer.outcome(RETRY, shown, answer.failure)
    try:
        reply = json.loads(answer.text)
        code, message = int(reply["code"]), str(reply.get("message") or "")
        data = reply["data"] if isinstance(reply.get("data"), dict) else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.outcome(RETRY, shown, f"快递100的应答无法识别（HTTP {answer.http_status}）")
    if code == 200:
        receipt = {name: str(data[name]) for name in ("kuaidinum", "kdComOrderNum", "taskId") if data.get(name)}
        if "kuaidinum" not in receipt:
            return answer.outcome(RETRY, shown, "快递100的应答里没有运单号", receipt=receipt)
        return answer.outcome(ACKNOWLEDGED, shown, receipt=receipt, request_id=receipt.get("taskId"))
    if code in REJECTIONS:
        return answer.outcome(REJECTED, shown, f"快递100 {code}：{REJECTIONS[code]}")
    if code == -1 or BUSY.search(message):
        return answer.outcome(RETRY, shown, f"快递100 {code}：{message}", hidden=hidden)
    # Anything else is the courier's own message (address out of reach, account balance, no numbers left).
    return answer.outcome(REJECTED, shown, f"快递公司拒绝（{code}）：{message}", hidden=hidden)
