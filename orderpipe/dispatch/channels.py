"""How each receiver is spoken to: what an instruction of a kind is made of, and which call carries it out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from orderpipe.clock import Clock
from orderpipe.config import Receiver, Settings
from orderpipe.dispatch import bodies, listings, return_orders, shops
from orderpipe.dispatch.breaker import Breaker
from orderpipe.dispatch.dingtalk import DingTalkRobot
from orderpipe.dispatch.kuaidi100 import Kuaidi100Client
from orderpipe.dispatch.kuaidi100_tracking import Kuaidi100Tracking
from orderpipe.dispatch.outcome import REJECTED, RETRY, UNSENT, Outcome
from orderpipe.dispatch.qimen import QimenClient
from orderpipe.errors import OrderpipeError
from orderpipe.failpoint import reach

PATIENCE = timedelta(hours=24)
LONGEST_RETRY = timedelta(hours=1)
_ALERTS_IN_ONE = 20

Call = Callable[[], dict[str, Outcome]]


@dataclass(frozen=True)
class Due:
    """An instruction that is being sent. attempts: those before this one. requeued: an operator sent it again."""

    instruction_id: str
    kind: str
    order_id: int | None
    attempts: int
    requeued: bool
    params: dict[str, Any]

    @property
    def retry(self) -> bool:
        """Whether an earlier attempt may have been carried out."""
        return self.attempts > 0

    @property
    def parcel_id(self) -> str | None:
        return self.params.get("parcel_id")


@dataclass(frozen=True)
class Handler:
    """One kind of instruction. build(run, receiver, due) → bodies by instruction; send(client, body, due) → Outcome;
    taken(receiver): whether a receiver that is configured so takes it."""

    build: Callable[[Any, Receiver, list[Due]], dict[str, Any]]
    send: Callable[[Any, Any, Due], Outcome]
    taken: Callable[[Receiver], bool] = lambda receiver: True


def _one_by_one(channel: "Channel", client, due: list[Due], built: dict[str, Any], breaker: Breaker) -> list[Call]:
    def call(row: Due) -> Call:
        def attempt() -> Outcome:
            if row.instruction_id not in built:
                return Outcome(REJECTED, error="找不到收件信息，无法生成指令")
            if breaker.open:
                return Outcome(UNSENT, error=breaker.error)
            reach("send.before")
            try:
                outcome = channel.handlers[row.kind].send(client, built[row.instruction_id], row)
            except OrderpipeError as error:
                outcome = Outcome(RETRY, error=str(error))
            reach("send.after")
            breaker.note(outcome)
            return outcome

        return lambda: {row.instruction_id: attempt()}

    return [call(row) for row in due]


def _alert_calls(channel: "Channel", client, due: list[Due], built: dict[str, Any], breaker: Breaker) -> list[Call]:
    """Alerts go out together: the robot takes twenty messages a minute."""

    def call(group: list[Due]) -> Call:
        ids = [row.instruction_id for row in group]

        def attempt() -> dict[str, Outcome]:
            if breaker.open:
                return dict.fromkeys(ids, Outcome(UNSENT, error=breaker.error))
            lines = "\n".join(f"- {built[row.instruction_id]}" for row in group)
            outcome = client.send_markdown(f"订单告警 {len(group)} 条", f"### 订单告警\n{lines}")
            breaker.note(outcome)
            return dict.fromkeys(ids, outcome)

        return attempt

    groups = [due[start : start + _ALERTS_IN_ONE] for start in range(0, len(due), _ALERTS_IN_ONE)]
    return [call(group) for group in groups]


@dataclass(frozen=True)
class Channel:
    """One receiver. client(run, receiver) opens it. calls: how the bodies of a batch become calls that may go side by
    side, each giving its instructions' Outcomes. patience: how long an instruction is tried, None for ever; longest:
    pause between two attempts."""

    client: Callable[..., Any]
    handlers: dict[str, Handler]
    calls: Callable[..., list[Call]] = _one_by_one
    patience: timedelta | None = PATIENCE
    longest: timedelta = LONGEST_RETRY

    def kinds(self, receiver: Receiver) -> list[str]:
        """The kinds of instructions this receiver takes, as it is configured."""
        return sorted(kind for kind, handler in self.handlers.items() if handler.taken(receiver))

    def build(self, run, receiver: Receiver, due: list[Due]) -> dict[str, Any]:
        """The bodies of a batch, by instruction. Those that cannot be built are missing."""
        built: dict[str, Any] = {}
        for kind in dict.fromkeys(row.kind for row in due):
            built |= self.handlers[kind].build(run, receiver, [row for row in due if row.kind == kind])
        return built


def receiver_of(settings: Settings, name: str) -> Receiver:
    """How a receiver is configured. The platforms are, shop by shop, in shops.yaml: a shop that cannot be called fails
    its own instructions."""
    return shops.receiver(settings) if name == "platforms" else settings.receivers[name]


def _of_parcels(make: Callable[[dict[str, Any], Any, Receiver], Any]) -> Callable[..., dict[str, Any]]:
    """Bodies made from the parcel as it stands now, receiver in clear."""

    def build(run, receiver: Receiver, due: list[Due]) -> dict[str, Any]:
        rows = bodies.pick_order_rows(run.lake)
        return {d.instruction_id: make(rows[d.parcel_id], run, receiver) for d in due if d.parcel_id in rows}

    return build


def _of_params(make: Callable[[dict[str, Any], Any, Receiver], Any]) -> Callable[..., dict[str, Any]]:
    """Bodies made from what the instruction itself names."""
    return lambda run, receiver, due: {d.instruction_id: make(d.params, run, receiver) for d in due}


class _Courier:
    """The courier's two services."""

    def __init__(self, receiver: Receiver, clock: Clock):
        self.labels, self.tracking = Kuaidi100Client(receiver, clock), Kuaidi100Tracking(receiver)

    def close(self) -> None:
        self.labels.close()
        self.tracking.close()


def _order_label(client: _Courier, body: Any, due: Due) -> Outcome:
    # Its memory of a reference ends after 48 hours; within an instruction's own patience it never does.
    return client.labels.order_label(body, retry=due.retry, look_first=due.requeued)


CHANNELS = {
    "wms": Channel(
        lambda run, receiver: QimenClient(receiver, run.clock),
        {
            "pick_order": Handler(
                _of_parcels(lambda row, run, r: bodies.delivery_order(row, run.settings, r, run.clock.now())),
                lambda client, body, due: client.create_delivery_order(body, retry=due.retry),
            ),
            "cancel_pick_order": Handler(
                _of_params(lambda params, run, r: bodies.order_cancel(params, run.settings)),
                lambda client, body, due: client.cancel_order(body),
            ),
            "return_order": Handler(
                lambda run, receiver, due: return_orders.return_orders(run, receiver),
                lambda client, body, due: client.create_return_order(body),
            ),
        },
    ),
    "courier": Channel(
        lambda run, receiver: _Courier(receiver, run.clock),
        {
            "waybill": Handler(
                _of_parcels(lambda row, run, r: bodies.label_order(row, run.settings, r)),
                _order_label,
            ),
            "cancel_waybill": Handler(
                lambda run, receiver, due: bodies.label_cancels(run.lake, receiver, due),
                lambda client, body, due: client.labels.cancel_label(body),
            ),
            "subscribe_tracking": Handler(
                lambda run, receiver, due: bodies.subscriptions(run.lake, due),
                lambda client, body, due: client.tracking.subscribe(body["courier"], body["number"], body["phone"]),
                taken=lambda r: bool(r.settings.get("callback_url") and r.credentials.get("salt")),
            ),
        },
    ),
    "platforms": Channel(
        lambda run, receiver: shops.Desk(run.settings, run.clock, run.sleep),
        {
            kind: Handler(build, lambda desk, body, due: desk.write(body, retry=due.retry)[0])
            for kind, build in {
                listings.SUSPEND: lambda run, receiver, due: listings.writes(run.lake, due),
                listings.RESUME: lambda run, receiver, due: listings.writes(run.lake, due),
                shops.SHIP: lambda run, receiver, due: shops.confirmations(run, due),
            }.items()
        },
        calls=lambda channel, desk, due, built, breaker: shops.calls(desk, due, built),
        patience=None,
        longest=shops.LONGEST_RETRY,
    ),
    "dingtalk": Channel(
        lambda run, receiver: DingTalkRobot(receiver, run.clock),
        {
            "alert": Handler(
                _of_params(lambda params, run, r: params["text"]),
                lambda robot, text, due: robot.send_markdown("订单告警", text),
            )
        },
        calls=_alert_calls,
    ),
}


def params_of(text: str | None) -> dict[str, Any]:
    """An instruction's params, from its JSON."""
    return json.loads(text) if text else {}
