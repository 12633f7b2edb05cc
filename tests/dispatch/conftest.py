"""Receivers and a scripted other side for the tests of the receiver modules."""

import httpx
import pytest

from orderpipe.clock import Clock
from orderpipe.config import Receiver

CREDENTIALS = {
    "wms": {"app_key": "23000001", "secret": "qmsecret0123456789abcdef", "customer_id": "c1700000001"},
    "courier": {"key": "ApiKey001", "secret": "apiSecret001"},
    "dingtalk": {"access_token": "ding-token-0123456789", "secret": "SECsimulated0123456789abcdef"},
}


@pytest.fixture
def receiver():
    def make(name: str, base_url: str = "http://receiver.test", **credentials: str) -> Receiver:
        return Receiver(name=name, base_url=base_url, credentials={**CREDENTIALS[name], **credentials})

    return make


class Line:
    """The other end of the line: gives these answers in turn, the last one for ever, and keeps the requests.

    An answer is a text (HTTP 200), a (status, text) or (status, text, headers) tuple, or an exception to raise.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.http = httpx.Client(transport=httpx.MockTransport(self._answer), trust_env=False)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, text, headers = (*answer, {})[:3] if isinstance(answer, tuple) else (200, answer, {})
        content = text if isinstance(text, bytes) else text.encode()
        return httpx.Response(status, content=content, headers=headers)


@pytest.fixture
def line():
    return Line


@pytest.fixture
def clock():
    return Clock()
