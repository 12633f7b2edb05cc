"""Messages to the group: the limit is kept on our side, and each code has its meaning."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from orderpipe.clock import Clock
from orderpipe.dispatch.dingtalk import DingTalkRobot, sign

OK = '{"errcode":0,"errmsg":"ok"}'


class SteppedClock(Clock):
    def __init__(self):
        super().__init__()
        self.at = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)

    def now(self):
        return self.at


@pytest.fixture
def stepped():
    return SteppedClock()


@pytest.fixture
def robot(receiver, line, stepped):
    def make(*answers):
        other_end = line(*answers)
        return DingTalkRobot(receiver("dingtalk"), stepped, http=other_end.http), other_end.requests

    return make


def test_a_message_arrives_signed_and_mentions_who_must_act(robot, stepped):
    client, requests = robot(OK)
    outcome = client.send_markdown("库存告警", "SKU-1 剩余 3", ["13800000000"])
    assert outcome.status == "acknowledged" and outcome.error is None
    (request,) = requests
    params, body = request.url.params, json.loads(request.content)
    assert params["sign"] == sign(int(params["timestamp"]), "SECsimulated0123456789abcdef")
    assert params["timestamp"] == str(int(stepped.at.timestamp() * 1000))
    assert body["at"]["atMobiles"] == ["13800000000"] and "@13800000000" in body["markdown"]["text"]
    assert "13800000000" not in outcome.body_masked and "SKU-1" in outcome.body_masked


def test_the_nineteenth_message_of_a_minute_waits(robot, stepped):
    client, requests = robot(OK)
    assert {client.send_markdown("t", "x").status for _ in range(18)} == {"acknowledged"}
    stepped.at += timedelta(seconds=20)
    over = client.send_markdown("t", "x")
    assert (over.status, over.retry_after, len(requests)) == ("retry", 40.0, 18)
    stepped.at += timedelta(seconds=40)
    assert client.send_markdown("t", "x").status == "acknowledged"


def test_a_blocked_robot_is_left_alone_for_ten_minutes(robot, stepped):
    client, requests = robot('{"errcode":130101,"errmsg":"send too fast"}', OK)
    assert client.send_markdown("t", "x").retry_after == 600
    stepped.at += timedelta(seconds=599)
    assert client.send_markdown("t", "x").status == "retry" and len(requests) == 1
    stepped.at += timedelta(seconds=2)
    assert client.send_markdown("t", "x").status == "acknowledged"


@pytest.mark.parametrize(
    ("answer", "status", "after"),
    [
        ('{"errcode":-1,"errmsg":"busy"}', "retry", None),
        ('{"errcode":410100,"errmsg":"x"}', "retry", 600),
        ('{"errcode":90030,"errmsg":"x"}', "retry", 3600),
        ('{"errcode":310000,"errmsg":"invalid timestamp"}', "retry", None),
        ('{"errcode":310000,"errmsg":"sign not match"}', "retry", None),
        ('{"errcode":310000,"errmsg":"keywords not in content"}', "retry", None),
        ('{"errcode":300005,"errmsg":"token is not exist"}', "retry", None),
        ('{"errcode":400105,"errmsg":"unsupported msgtype"}', "rejected", None),
        ('{"status":1111,"wait":5,"punish":"deny"}', "retry", 5),
        ("<html>", "retry", None),
        ("[]", "retry", None),
        ((500, ""), "retry", None),
    ],
    ids=str,
)
def test_each_answer_is_retried_or_given_to_a_person(robot, answer, status, after):
    client, _ = robot(answer)
    outcome = client.send_markdown("t", "x")
    assert (outcome.status, outcome.retry_after) == (status, after) and outcome.error


def test_a_message_whose_answer_was_lost_is_marked_as_perhaps_delivered(robot):
    client, _ = robot(httpx.ReadTimeout("slow"))
    outcome = client.send_markdown("t", "x")
    assert outcome.status == "retry" and outcome.receipt == {"delivery": "unknown"}


def test_a_long_message_is_cut_below_the_limit_and_still_mentions(robot):
    client, requests = robot(OK)
    client.send_markdown("日报", "库" * 20_000, ["13800000000"])
    body = json.loads(requests[0].content)
    assert len(requests[0].content) < 20_000 and body["markdown"]["text"].endswith("…\n\n@13800000000")


def test_neither_token_nor_phone_numbers_are_kept(robot):
    client, _ = robot('{"errcode":300005,"errmsg":"token ding-token-0123456789 is not exist"}')
    outcome = client.send_markdown("告警", "客户 13712345678 身份证 110101199001011234", [])
    for value in ("ding-token-0123456789", "13712345678", "110101199001011234"):
        assert value not in repr(outcome)
