"""DingTalk: messages to a group through its robot.

Source of every fact: platform documentation of the DingTalk custom robot.
"""

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Generator, Iterable
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import httpx

from orderpipe.clock import Clock
from orderpipe.config import Receiver
from orderpipe.dispatch.masking import phone, scrub, secrets
from orderpipe.dispatch.outcome import ACKNOWLEDGED, REJECTED, RETRY, Answer, Outcome, post
from orderpipe.platforms.base import credential
from orderpipe.platforms.http import endpoint, new_client

PER_MINUTE = 18  # the platform allows 20 and then blocks the robot for ten minutes
BLOCKED = 600.0  # seconds
BODY_LIMIT = 18_000  # bytes; the platform refuses above about 20,000
TOO_FAST = (130101, 410100)


def sign(timestamp_ms: int, secret: str) -> str:
    """Base64 HMAC-SHA256 over timestamp and secret; URL-encode it once, when it becomes a query parameter."""
    text = f"{timestamp_ms}\n{secret}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


class DingTalkAuth(httpx.Auth):
    """Puts access token, timestamp and signature, made afresh for every request, into the query string."""

    def __init__(self, receiver: Receiver, clock: Clock):
        self._clock = clock
        self._token, self._secret = credential(receiver, "access_token"), credential(receiver, "secret")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        at = int(self._clock.now().timestamp() * 1000)
        params = {"access_token": self._token, "timestamp": str(at), "sign": sign(at, self._secret)}
        request.url = request.url.copy_merge_params(params)
        yield request


class DingTalkRobot:
    """One robot of one group. Not more than 18 messages a minute leave this process."""

    def __init__(self, receiver: Receiver, clock: Clock, http: httpx.Client | None = None):
        self._url = endpoint(receiver.base_url, "/robot/send", where=receiver.name)
        self._auth, self._clock = DingTalkAuth(receiver, clock), clock
        self._secrets = secrets(receiver.credentials)
        self._http, self._owns_http = http or new_client(), http is None
        self._lock, self._sent = Lock(), deque[datetime]()
        self._closed_until: datetime | None = None

    def close(self) -> None:
        """Give back the connections this robot opened."""
        if self._owns_http:
            self._http.close()

    def send_markdown(self, title: str, text: str, at_mobiles: Iterable[str] = ()) -> Outcome:
        """Send a markdown message; title is what the notification shows, long text is cut.

        at_mobiles: mobile numbers of members to mention. Over the limit nothing is sent: 'retry' with retry_after.
        There is no idempotency key: receipt {"delivery": "unknown"} marks a send that may have arrived.
        """
        mobiles = list(at_mobiles)
        mentions = "".join(f"\n\n@{mobile}" for mobile in mobiles if f"@{mobile}" not in text)
        cut = _cut(text, BODY_LIMIT - len(mentions.encode()) - len(title.encode())) + mentions
        at = {"atMobiles": mobiles, "isAtAll": False}
        message = {"msgtype": "markdown", "markdown": {"title": title, "text": cut}, "at": at}
        shown = _shown(message, mobiles)
        if (wait := self._wait()) > 0:
            return Outcome(RETRY, error="本机器人已达每分钟发送上限，稍后发送", retry_after=wait, body_masked=shown)
        content = json.dumps(message, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        answer = post(self._http, self._url, self._auth, content=content, headers=headers)
        outcome = _judge(answer, shown, self._secrets)
        if outcome.status == RETRY and outcome.retry_after:
            self._closed_until = self._clock.now() + timedelta(seconds=outcome.retry_after)
        return outcome

    def _wait(self) -> float:
        """Seconds until the next message may leave; 0 takes a place in this minute."""
        now, minute = self._clock.now(), timedelta(minutes=1)
        with self._lock:
            if self._closed_until and now < self._closed_until:
                return (self._closed_until - now).total_seconds()
            while self._sent and self._sent[0] <= now - minute:
                self._sent.popleft()
            if len(self._sent) >= PER_MINUTE:
                return (self._sent[0] + minute - now).total_seconds()
            self._sent.append(now)
            return 0.0


def _judge(answer: Answer, shown: str, secrets: list[str]) -> Outcome:
    if answer.text is None:
        return answer.outcome(RETRY, shown, f"{answer.failure}，消息可能已送达", receipt={"delivery": "unknown"})
    try:
        reply: dict[str, Any] = json.loads(answer.text)
        code = reply.get("errcode")
    except (ValueError, AttributeError):
        code, reply = None, {}
    if code is None and isinstance(reply.get("wait"), int | float):  # the edge's protection answers without errcode
        return answer.outcome(RETRY, shown, "钉钉限流", retry_after=float(reply["wait"]))
    if code is None:
        return answer.outcome(RETRY, shown, f"钉钉的应答无法识别（HTTP {answer.http_status}）")
    message = scrub(f"钉钉 {code}：{reply.get('errmsg', '')}", secrets)
    if code == 0:
        return answer.outcome(ACKNOWLEDGED, shown)
    if code in TOO_FAST:
        return answer.outcome(RETRY, shown, message, retry_after=BLOCKED)
    if code == 90030:
        return answer.outcome(RETRY, shown, message, retry_after=3600.0)
    if code == -1 or (code == 310000 and "timestamp" in message):
        return answer.outcome(RETRY, shown, message)
    if code in _SETTINGS:
        hint = "；请检查 DINGTALK_ACCESS_TOKEN、DINGTALK_SECRET 与机器人的安全设置"
        return answer.outcome(RETRY, shown, message + hint, halts=True)
    return answer.outcome(REJECTED, shown, message)


_SETTINGS = (310000, 300001, 300005, 400101, 400102, 400106)


def _cut(text: str, limit: int) -> str:
    """The text, cut to so many bytes of UTF-8 at a character's end."""
    encoded = text.encode()
    return text if len(encoded) <= limit else encoded[: limit - 3].decode(errors="ignore") + "…"


def _shown(message: dict[str, Any], mobiles: list[str]) -> str:
    """The message as kept in the records: mentioned mobiles and anything like a phone or an id number masked."""
    text = json.dumps(message, ensure_ascii=False)
    for mobile in mobiles:
        text = text.replace(mobile, phone(mobile))
    return scrub(text)
