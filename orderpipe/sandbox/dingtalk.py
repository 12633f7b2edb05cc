"""A DingTalk group robot: signature, keywords, twenty messages a minute. HTTP 200 always; errcode decides."""

import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.routing import Route

from orderpipe.sandbox.gateway import Answer, Call, decode, door, same
from orderpipe.sandbox.world import World

NAME = "dingtalk"
FAULTS = frozenset({"business_busy", "throttle"})
TOLERANCE = 3600  # seconds
PER_MINUTE, BLOCKED_FOR = 20, 600
BODY_LIMIT = 20_000
Message = dict[str, Any]
# Each message type and how its text is found; None means a required key is missing.
TYPES: dict[str, Callable[[Message], str | None]] = {
    "text": lambda part: part.get("content"),
    "markdown": lambda part: part.get("title") and part.get("text") and f"{part['title']}\n{part['text']}",
    "link": lambda part: (
        part.get("title") and part.get("text") and part.get("messageUrl") and f"{part['title']}\n{part['text']}"
    ),
    "actionCard": lambda part: part.get("title") and part.get("text") and f"{part['title']}\n{part['text']}",
    "feedCard": lambda part: "\n".join(str(link.get("title", "")) for link in part.get("links") or []) or None,
}


class Refusal(Exception):
    def __init__(self, errcode: int, errmsg: str):
        super().__init__(errmsg)
        self.errcode, self.errmsg = errcode, errmsg


@dataclass(slots=True)
class Robot:
    """When it spoke within the last minute, and until when it is blocked."""

    sent: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0


def routes(world: World) -> list[Route]:
    """The robot's webhook."""
    return [door(world, NAME, "/dingtalk/robot/send", lambda call: "robot.send", answer, ("POST", "GET"))]


def sign(timestamp: str, secret: str) -> str:
    """Base64 of HMAC-SHA256 over "timestamp newline secret", keyed with the secret."""
    return base64.b64encode(
        hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    ).decode()


def answer(call: Call) -> Answer:
    try:
        _send(call)
    except Refusal as refusal:
        call.world.receipts.refuse(NAME)
        return Answer({"errcode": refusal.errcode, "errmsg": refusal.errmsg})
    return Answer({"errcode": 0, "errmsg": "ok"})


def _send(call: Call) -> None:
    world = call.world
    busy = call.fault("business_busy")
    if busy and not busy.options.get("worked"):
        raise Refusal(-1, "system busy")
    _authenticate(call)
    message, text = _message(call)
    if not any(word in text for word in world.settings.dingtalk_keywords):
        raise Refusal(310000, "keywords not in content, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]")
    if call.fault("throttle"):
        _robot(world).blocked_until = world.clock.now() + BLOCKED_FOR
    _limit(world)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    effect = world.receipts.note(
        NAME,
        "message",
        digest,
        world.now,
        call.body.decode("utf-8"),
        at_mobiles=(message.get("at") or {}).get("atMobiles") or [],
    )
    effect.duplicates = effect.requests - 1  # there is no idempotency key: people see every repetition
    if busy:
        raise Refusal(-1, "system busy")


def _authenticate(call: Call) -> None:
    environment = call.world.credentials.environment()
    if call.verb != "POST":
        raise Refusal(43002, "需要 POST 请求")
    if not (token := call.query.get("access_token")):
        raise Refusal(40035, "缺少参数 access_token")
    if token != environment["DINGTALK_ACCESS_TOKEN"]:
        raise Refusal(300005, "token is not exist")
    if not call.headers.get("content-type", "").startswith("application/json"):
        raise Refusal(43004, "需要 Content-Type: application/json")
    timestamp = call.query.get("timestamp", "")
    if not timestamp.isdigit() or abs(call.world.clock.now() - int(timestamp) / 1000) > call.world.clock.tolerance(
        TOLERANCE
    ):
        raise Refusal(310000, "invalid timestamp, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]")
    if not same(sign(timestamp, environment["DINGTALK_SECRET"]), call.query.get("sign", "")):
        raise Refusal(310000, "sign not match, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]")


def _message(call: Call) -> tuple[Message, str]:
    """The message and its text. Checks type, required keys and size."""
    if len(call.body) > BODY_LIMIT:
        raise Refusal(460101, "message too long, exceed 20000 bytes")
    try:
        message = decode(call.body)
    except msgspec.DecodeError:
        raise Refusal(40035, "不合法的参数: 不是 JSON") from None
    kind = message.get("msgtype") if isinstance(message, dict) else None
    if kind not in TYPES:
        raise Refusal(400105, "unsupported msgtype")
    part = message.get(kind)
    text = TYPES[kind](part) if isinstance(part, dict) else None
    if not text:
        raise Refusal(40035, f"缺少参数: {kind}")
    return message, str(text)


def _limit(world: World) -> None:
    """The 21st message within a minute blocks the robot for ten."""
    robot, now = _robot(world), world.clock.now()
    while robot.sent and robot.sent[0] <= now - 60:
        robot.sent.popleft()
    if now >= robot.blocked_until and len(robot.sent) >= PER_MINUTE:
        robot.blocked_until = now + BLOCKED_FOR
    if now < robot.blocked_until:
        raise Refusal(130101, "send too fast, exceed 20 times per minute")
    robot.sent.append(now)


def _robot(world: World) -> Robot:
    return world.rooms.setdefault(NAME, Robot())
