"""What the system under test called while a play ran: how often, and what the platforms refused and why."""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orderpipe.sandbox.faults import Fault

if TYPE_CHECKING:
    from orderpipe.sandbox.world import World

SHORT = 2000  # bytes; refusals are short, and what is longer holds orders, whose text may look like anything
# How each platform words a refusal, from its documentation: kind → what the answer then contains.
REFUSALS: dict[str, dict[str, str]] = {
    "taobao": {"signature": r'"code":25\b', "token": r'"code":2[67]\b', "limit": r'"code":7\b'},
    "pinduoduo": {"signature": r'_code":20004\b', "token": r'_code":(10019|2003[12])\b', "limit": r'_code":70031\b'},
    "douyin": {"signature": "signature-invalid", "token": r"isv\.access-token", "limit": "traffic-limited"},
    "jd": {"signature": r'"code":"1[12]"', "token": r'"code":"1[89]"', "limit": r'"code":"2"'},
    "shopee": {"signature": "error_sign", "token": "invalid_acc|Invalid access_token", "limit": "error_rate_limit"},
    "lazada": {"signature": "IncompleteSignature", "token": r"(Illegal|Invalid)AccessToken", "limit": "CallLimit"},
    "shopify": {"token": r"Invalid API key or access token", "limit": '"THROTTLED"'},
}
LIMITS = ("throttle", "http_429")  # faults that answer as a limit does, without anybody's doing


class CallLog:
    """Counts of one play, by platform."""

    def __init__(self, world: "World"):
        self._world = world
        self.calls: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self._present: dict[str, str] = {}
        self._spent: dict[str, str] = {}
        self.follow_tokens()

    def follow_tokens(self) -> None:
        """Remember refresh tokens that have been exchanged: to send one again is a mistake."""
        for shop_id, grant in self._world.credentials.grants.items():
            token = self._present.get(shop_id)
            if token is not None and token != grant.refresh_token:
                self._spent[token] = shop_id
            self._present[shop_id] = grant.refresh_token

    def note(self, platform: str, asked: bytes, status: int, answered: bytes) -> None:
        """Count one call."""
        self.calls[platform] += 1
        if any(token.encode() in asked for token in self._spent):
            self.refused[platform, "token_reused"] += 1
        text = answered.decode("utf-8", "replace") if len(answered) <= SHORT else ""
        if status == 429:
            self.refused[platform, "limit"] += 1
        for kind, pattern in REFUSALS.get(platform, {}).items():
            if re.search(pattern, text) and not (kind == "limit" and status == 429):
                self.refused[platform, kind] += 1

    def describe(self, armed: list[Fault]) -> dict[str, dict[str, int]]:
        """By platform: calls, and refusals by kind. Limits that were armed faults are taken off."""
        off: Counter[tuple[str, str]] = Counter()
        for fault in armed:
            if fault.kind in LIMITS:
                off[fault.where, "limit"] += fault.fired
        return {
            platform: {"calls": self.calls[platform]}
            | {
                kind: max(0, self.refused[platform, kind] - off[platform, kind])
                for kind in ("signature", "token", "token_reused", "limit")
            }
            for platform in sorted(self.calls)
        }


class Listener:
    """Wraps the sandbox's application: while a play runs, every call to a platform is noted in its log."""

    def __init__(self, app: ASGIApp, world: "World", room: str):
        self._app, self._world, self._room = app, world, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        play: Any = self._world.rooms.get(self._room)
        platform = _platform(scope)
        if play is None or platform not in REFUSALS:
            await self._app(scope, receive, send)
            return
        asked, answered, status = bytearray(scope.get("query_string", b"")), bytearray(), 0

        async def listen() -> Message:
            message = await receive()
            asked.extend(message.get("body", b"")[:SHORT])
            return message

        async def pass_on(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.extend(message.get("body", b"")[: SHORT + 1])
            await send(message)

        await self._app(scope, listen, pass_on)
        play.calls.note(platform, bytes(asked), status, bytes(answered))
        play.calls.follow_tokens()


def _platform(scope: Scope) -> str:
    """The platform a path belongs to: its first part; the bare Admin API is Shopify's."""
    if scope["type"] != "http":
        return ""
    first = scope["path"].split("/", 2)[1]
    return "shopify" if first == "admin" else first
