"""Calling a person when the pipeline itself is in trouble, past the outbox, which may be part of the trouble."""

from orderpipe import clock, config
from orderpipe.errors import OrderpipeError


def send(title: str, text: str) -> None:
    """Send a markdown message to the DingTalk group. No personal data may be in it.

    Raises OrderpipeError when it did not arrive.
    """
    from orderpipe.dispatch.dingtalk import DingTalkRobot

    robot = DingTalkRobot(config.load().receivers["dingtalk"], clock.from_environment())
    try:
        outcome = robot.send_markdown(title, f"### 订单管道 · {title}\n\n{text}")
    finally:
        robot.close()
    if outcome.status != "acknowledged":
        raise OrderpipeError(
            f"the alert was not delivered: {outcome.error}",
            where="dingtalk",
            remedy="check the dingtalk receiver in receivers.yaml",
        )
