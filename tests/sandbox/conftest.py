"""A caller of the sandbox with signatures of its own: written from the platform documentation, checked by vectors."""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

TRADE_FIELDS = (
    "tid,tid_str,type,status,step_trade_status,created,pay_time,modified,payment,post_fee,total_fee,discount_fee,"
    "adjust_fee,received_payment,seller_memo,buyer_message,receiver_name,receiver_state,receiver_city,receiver_address,"
    "receiver_mobile,receiver_phone,oaid,promotion_details,orders"
)


def top_sign(params: dict[str, str], secret: str) -> str:
    joined = "".join(name + params[name] for name in sorted(params) if name != "sign" and params[name])
    if params["sign_method"] == "md5":
        return hashlib.md5((secret + joined + secret).encode()).hexdigest().upper()
    algorithm = {"hmac": "md5", "hmac-sha256": "sha256"}[params["sign_method"]]
    return hmac.new(secret.encode(), joined.encode(), algorithm).hexdigest().upper()


def qimen_sign(query: dict[str, str], body: str, secret: str) -> str:
    joined = "".join(name + query[name] for name in sorted(query) if name != "sign" and query[name])
    return hashlib.md5((secret + joined + body + secret).encode()).hexdigest().upper()


def kuaidi100_sign(param: str, t: str, key: str, secret: str) -> str:
    return hashlib.md5((param + t + key + secret).encode()).hexdigest().upper()


def dingtalk_sign(timestamp: int, secret: str) -> str:
    digest = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class Caller:
    """Speaks every protocol of one running sandbox. Keyword arguments override what a correct call would send."""

    def __init__(self, sandbox: Any):
        self.sandbox, self.http, self.env = sandbox, sandbox.http, dict(sandbox.credentials)
        self._shopify_token = ""

    def now(self) -> datetime:
        return datetime.fromisoformat(self.sandbox.now())

    def gmt8(self, ago: float = 0) -> str:
        """The platform's time so many seconds ago, as Chinese platforms write it."""
        return (self.now() + timedelta(hours=8, seconds=-ago)).strftime("%Y-%m-%d %H:%M:%S")

    def top_raw(self, method: str, secret: str | None = None, **params: Any) -> httpx.Response:
        sent = {
            "method": method,
            "app_key": self.env["TAOBAO_APP_KEY"],
            "session": self.env["TAOBAO_SESSION"],
            "timestamp": self.gmt8(),
            "format": "json",
            "v": "2.0",
            "sign_method": "hmac-sha256",
            **{name: str(value) for name, value in params.items()},
        }
        sent = {name: value for name, value in sent.items() if value}
        sent["sign"] = params.get("sign") or top_sign(sent, secret or self.env["TAOBAO_APP_SECRET"])
        return self.http.post(f"{self.sandbox.url}/taobao/router/rest", data=sent)

    def top(self, method: str, **params: Any) -> dict[str, Any]:
        """The content of a TOP answer: of the response root, or of error_response."""
        answer = self.top_raw(method, **params)
        assert answer.status_code == 200
        return next(iter(answer.json().values()))

    def increment(self, start: str, end: str, **params: Any) -> dict[str, Any]:
        asked = {"fields": "tid,modified", "start_modified": start, "end_modified": end, **params}
        return self.top("taobao.trades.sold.increment.get", **asked)

    def trade(self, tid: str, fields: str = TRADE_FIELDS, **params: Any) -> dict[str, Any]:
        return self.top("taobao.trade.fullinfo.get", tid=tid, fields=fields, include_oaid="true", **params)["trade"]

    def grant(self, **changes: str) -> httpx.Response:
        asked = {
            "client_id": self.env["SHOPIFY_CLIENT_ID"],
            "client_secret": self.env["SHOPIFY_CLIENT_SECRET"],
            "grant_type": "client_credentials",
            **changes,
        }
        return self.http.post(f"{self.sandbox.url}/shopify/demo/admin/oauth/access_token", data=asked)

    def graphql_raw(
        self, query: str, *, version: str = "2026-10", token: str | None = None, **variables: Any
    ) -> httpx.Response:
        if token is None:
            self._shopify_token = token = self._shopify_token or self.grant().json()["access_token"]
        return self.http.post(
            f"{self.sandbox.url}/shopify/demo/admin/api/{version}/graphql.json",
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": token},
        )

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.graphql_raw(query, **variables)
        if answer.status_code == 401:  # a day has passed
            self._shopify_token = ""
            answer = self.graphql_raw(query, **variables)
        assert answer.status_code == 200
        return answer.json()

    def qimen(self, method: str, body: str, secret: str | None = None, sign: str = "", **changes: str) -> str:
        query = {
            "method": method,
            "timestamp": self.gmt8(),
            "format": "xml",
            "app_key": self.env["WMS_APP_KEY"],
            "v": "2.0",
            "sign_method": "md5",
            "customerId": self.env["WMS_CUSTOMER_ID"],
            **changes,
        }
        query["sign"] = sign or qimen_sign(query, body, secret or self.env["WMS_SECRET"])
        answer = self.http.post(
            f"{self.sandbox.url}/qimen/router/qimen/service",
            params=query,
            content=body.encode(),
            headers={"Content-Type": "text/xml;charset=utf-8"},
        )
        assert answer.status_code == 200
        return answer.text

    def kuaidi100(self, method: str, param: dict[str, Any], **changes: str) -> dict[str, Any]:
        text = json.dumps(param, ensure_ascii=False)
        form = {
            "method": method,
            "key": self.env["KUAIDI100_KEY"],
            "t": str(int(self.now().timestamp() * 1000)),
            "param": text,
        }
        form["sign"] = kuaidi100_sign(text, form["t"], form["key"], self.env["KUAIDI100_SECRET"])
        return self.http.post(f"{self.sandbox.url}/kuaidi100/label/order", data=form | changes).json()

    def dingtalk(self, text: str, *, skew: float = 0, secret: str | None = None, **changes: str) -> dict[str, Any]:
        timestamp = int((self.now().timestamp() + skew) * 1000)
        query = {
            "access_token": self.env["DINGTALK_ACCESS_TOKEN"],
            "timestamp": str(timestamp),
            "sign": dingtalk_sign(timestamp, secret or self.env["DINGTALK_SECRET"]),
            **changes,
        }
        message = {"msgtype": "markdown", "markdown": {"title": "订单提醒", "text": text}}
        return self.http.post(f"{self.sandbox.url}/dingtalk/robot/send", params=query, json=message).json()


@pytest.fixture
def caller() -> type[Caller]:
    return Caller


@pytest.fixture
def signers() -> dict[str, Any]:
    """The test's own signature functions, by scheme family."""
    return {"top": top_sign, "qimen": qimen_sign, "kuaidi100": kuaidi100_sign, "dingtalk": dingtalk_sign}
