"""Kuaidi100: where a parcel is. Subscribing to pushes, and asking.

Source of every fact: platform documentation of Kuaidi100, section "Tracking".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from orderpipe.config import Receiver
from orderpipe.dispatch import masking
from orderpipe.dispatch.kuaidi100 import sign
from orderpipe.dispatch.outcome import ACKNOWLEDGED, REJECTED, RETRY, Answer, Outcome, post
from orderpipe.platforms.base import credential
from orderpipe.platforms.http import endpoint
from orderpipe.platforms.pace import paced_client

SUBSCRIBED = ("200", "501")  # 501: it is subscribed already
NOTHING_YET = "500"
# By which the account or the key is wrong, or used up: no other call fares better until somebody mends it.
HALTS = ("503", "600", "601")
# Couriers that tell nothing without the phone of sender or receiver.
WANT_PHONE = ("shunfeng", "shunfengkuaiyun", "zhongtong")


@dataclass(frozen=True)
class Tracked:
    """An answer about a number. content: what the courier said in the shape of a push; None when it said nothing of it.
    error: why, masked; empty when the courier just knows nothing yet. halts: asking on is of no use."""

    content: dict[str, Any] | None
    error: str = ""
    halts: bool = False


class Kuaidi100Tracking:
    """The tracking service. It has a host of its own: `tracking_url` in the receiver's settings."""

    def __init__(self, receiver: Receiver, http: httpx.Client | None = None):
        url = str(receiver.settings.get("tracking_url") or receiver.base_url)
        self._receiver, self._url = receiver, lambda path: endpoint(url, path, where=receiver.name)
        self._secrets = masking.secrets(receiver.credentials)
        self._http, self._owns_http = http or paced_client(receiver, 10.0), http is None

    def close(self) -> None:
        """Give back the connections this client opened."""
        if self._owns_http:
            self._http.close()

    def subscribe(self, courier: str, number: str, phone: str | None = None) -> Outcome:
        """Ask for pushes about a number, signed with our salt; asking twice is harmless.

        courier: Kuaidi100's code. phone: of the receiver; its last four digits go with couriers that want them. Raises
        ConfigError when salt or callback_url is not set: pushes could not be believed, or would come nowhere.
        """
        parameters = {
            "callbackurl": str(self._receiver.settings.get("callback_url") or ""),
            "salt": credential(self._receiver, "salt"),
            "resultv2": "4",
            "autoCom": "0",
            "interCom": "0",
        }
        if phone and courier in WANT_PHONE:
            parameters["phone"] = phone[-4:]
        param = {
            "company": courier, "number": number, "from": "", "to": "", "key": credential(self._receiver, "key"),
            "parameters": parameters,
        }  # fmt: skip
        form = {"schema": "json", "param": _text(param)}
        answer = post(self._http, self._url("/poll"), None, data=form)
        shown = _text({**param, "key": "***", "parameters": {**parameters, "salt": "***", "phone": "****"}})
        code, message = _code(answer)
        if code in SUBSCRIBED:
            return answer.outcome(ACKNOWLEDGED, shown, receipt={"returnCode": code})
        if not code:
            return answer.outcome(RETRY, shown, message, reached=False)
        error, hidden = f"快递100 订阅 {code}：{message}", self._secrets
        if code in HALTS:
            return answer.outcome(RETRY, shown, error, hidden=hidden, halts=True)
        return answer.outcome(REJECTED if code in ("400", "700", "701") else RETRY, shown, error, hidden=hidden)

    def query(self, courier: str, number: str, phone: str | None = None) -> Tracked:
        """Where a number is now. Not more often than every half hour: the courier locks a number that is asked for.

        courier: Kuaidi100's code. phone: of the receiver; its last four digits are sent to couriers that want them.
        """
        param: dict[str, Any] = {"com": courier, "num": number, "resultv2": "4", "show": "0", "order": "desc"}
        if phone and courier in WANT_PHONE:
            param["phone"] = phone[-4:]
        text, customer = _text(param), credential(self._receiver, "customer")
        signature = sign(text, credential(self._receiver, "key"), customer)
        form = {"customer": customer, "sign": signature, "param": text}
        answer = post(self._http, self._url("/poll/query.do"), None, data=form)
        reply = _object(answer)
        if reply is not None and isinstance(reply.get("data"), list) and "nu" in reply:
            shape = {"status": "polled", "billstatus": "", "message": "", "autoCheck": "0", "comOld": "", "comNew": ""}
            return Tracked({**shape, "lastResult": reply})
        code, message = _code(answer)
        if code == NOTHING_YET:
            return Tracked(None)
        error = masking.scrub(f"快递100 查询 {code}：{message}" if code else message, self._secrets)
        return Tracked(None, error, halts=code in HALTS or not code)


def _text(param: Mapping[str, Any]) -> str:
    return json.dumps(param, ensure_ascii=False, separators=(",", ":"))


def _object(answer: Answer) -> dict[str, Any] | None:
    try:
        reply = json.loads(answer.text or "")
    except ValueError:
        return None
    return reply if isinstance(reply, dict) else None


def _code(answer: Answer) -> tuple[str, str]:
    """returnCode and message; no code when it is no answer of the service."""
    reply = _object(answer)
    if reply is None or not reply.get("returnCode"):
        return "", answer.failure or f"快递100的应答无法识别（HTTP {answer.http_status}）"
    return str(reply["returnCode"]), str(reply.get("message") or "")
