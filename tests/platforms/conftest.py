"""Shops, a token store and a scripted gateway for the tests of the platform clients."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.platforms import TokenStore, Window

TAOBAO_SECRETS = {
    "app_key": "30001234",
    "app_secret": "appsecret-0f1e2d3c4b5a6978",
    "session": "session-6100b1c2d3e4f5",
    "refresh_token": "refresh-6101aa22bb33",
}
SHOPIFY_SECRETS = {"client_id": "client-4711", "client_secret": "shpss-0123456789abcdef"}


@pytest.fixture
def tokens(tmp_path):
    return TokenStore(tmp_path / "state" / "tokens.json")


@pytest.fixture
def window():
    return Window(datetime(2026, 3, 5, 1, 0, tzinfo=UTC), datetime(2026, 3, 5, 1, 30, tzinfo=UTC))


@pytest.fixture
def taobao_shop():
    def make(base_url: str = "http://gateway.test/taobao", credentials: dict | None = None, **settings: Any) -> Shop:
        return Shop(
            id="taobao-hz",
            platform="taobao",
            name="测试旗舰店",
            timezone="Asia/Shanghai",
            currency="CNY",
            base_url=base_url,
            credentials=TAOBAO_SECRETS if credentials is None else credentials,
            settings=settings,
        )

    return make


@pytest.fixture
def shopify_shop():
    def make(base_url: str = "http://gateway.test/shopify/demo", credentials: dict | None = None, **settings) -> Shop:
        return Shop(
            id="shopify-us",
            platform="shopify",
            name="Demo",
            timezone="America/New_York",
            currency="USD",
            base_url=base_url,
            credentials=SHOPIFY_SECRETS if credentials is None else credentials,
            settings=settings,
        )

    return make


class Script:
    """A scripted other side: answers with what `handler` returns and keeps what was asked.

    A handler gets the parsed request (form fields, or the JSON body) and returns a dict or str (HTTP 200), a
    (status, content) or (status, content, headers) tuple, or raises an httpx error.
    """

    def __init__(self, handler: Callable[[dict[str, Any], httpx.Request], Any]):
        self.handler = handler
        self.asked: list[dict[str, Any]] = []
        self.slept: list[float] = []
        self.http = httpx.Client(transport=httpx.MockTransport(self._answer), trust_env=False)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        text = request.content.decode()
        asked = json.loads(text) if text.startswith("{") else dict(parse_qsl(text))
        self.asked.append(asked)
        answer = self.handler(asked, request)
        status, content, headers = 200, answer, {}
        if isinstance(answer, tuple):
            status, content, headers = (*answer, {})[:3]
        if isinstance(content, dict):
            content = json.dumps(content, ensure_ascii=False)
        content = content.encode() if isinstance(content, str) else content
        return httpx.Response(status, content=content, headers=headers)

    def count(self, method: str) -> int:
        return sum(asked.get("method") == method for asked in self.asked)


@pytest.fixture
def script():
    return Script


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def taobao_secrets():
    return TAOBAO_SECRETS


@pytest.fixture
def shopify_secrets():
    return SHOPIFY_SECRETS
