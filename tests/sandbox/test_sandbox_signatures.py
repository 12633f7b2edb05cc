"""Both sides of the handshake, the sandbox's and this test's, compute what the platforms' documents print."""

import json
from pathlib import Path
from typing import Any

import pytest

from orderpipe.sandbox import dingtalk, kuaidi100, qimen, top

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text("utf-8"))["vectors"]


def items(*schemes: str) -> list[Any]:
    found = [item for scheme in schemes for item in VECTORS[scheme]]
    assert found
    return [pytest.param(item, id=item["id"]) for item in found]


@pytest.mark.parametrize("vector", items("top-md5", "top-hmac", "top-hmac-sha256"))
def test_taobao_signatures_match_the_published_vectors(vector, signers):
    inputs = vector["inputs"]
    params = {name: value for name, value in inputs["params"].items() if name != "sign"}
    assert top.sign(params, inputs["secret"]) == signers["top"](params, inputs["secret"]) == vector["signature"]


@pytest.mark.parametrize("vector", items("qimen-md5"))
def test_warehouse_signatures_match_the_published_vectors(vector, signers):
    inputs = vector["inputs"]
    ours = qimen.sign(inputs["query"], inputs["body"].encode(), inputs["secret"])
    assert ours == signers["qimen"](inputs["query"], inputs["body"], inputs["secret"]) == vector["signature"]


@pytest.mark.parametrize("vector", items("kuaidi100-label-md5"))
def test_courier_signatures_match_the_published_vectors(vector, signers):
    inputs = vector["inputs"]
    arguments = (inputs["param"], inputs["t"], inputs["key"], inputs["secret"])
    assert kuaidi100.sign(*arguments) == signers["kuaidi100"](*arguments) == vector["signature"]


@pytest.mark.parametrize("vector", items("dingtalk-hmac-sha256"))
def test_robot_signatures_match_the_published_vectors(vector, signers):
    inputs = vector["inputs"]
    ours = dingtalk.sign(str(inputs["timestamp_ms"]), inputs["secret"])
    assert ours == signers["dingtalk"](inputs["timestamp_ms"], inputs["secret"]) == vector["signature"]
