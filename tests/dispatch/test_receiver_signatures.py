"""Signatures of the receivers against published vectors."""

import json
from pathlib import Path

import pytest

from orderpipe.dispatch import dingtalk, kuaidi100
from orderpipe.platforms import top

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text("utf-8"))["vectors"]


def vectors(scheme):
    return [pytest.param(v["inputs"], v["signature"], id=v["id"]) for v in VECTORS[scheme]]


@pytest.mark.parametrize(("given", "signature"), vectors("qimen-md5"))
def test_qimen_signature_equals_the_published_vector(given, signature):
    assert top.sign(given["query"], given["secret"], "md5", given["body"]) == signature
    assert top.sign(given["query"], given["secret"], "md5", given["body"] + "\n") != signature


@pytest.mark.parametrize(("given", "signature"), vectors("kuaidi100-label-md5"))
def test_waybill_signature_equals_the_published_vector(given, signature):
    assert kuaidi100.sign(given["param"], given["t"], given["key"], given["secret"]) == signature


@pytest.mark.parametrize(("given", "signature"), vectors("kuaidi100-query-md5"))
def test_tracking_signature_equals_the_published_vector(given, signature):
    assert kuaidi100.sign(given["param"], given["key"], given["customer"]) == signature


@pytest.mark.parametrize(("given", "signature"), vectors("kuaidi100-push-md5"))
def test_tracking_callback_signature_equals_the_published_vector(given, signature):
    assert kuaidi100.sign(given["param"], given["salt"]) == signature


@pytest.mark.parametrize(("given", "signature"), vectors("dingtalk-hmac-sha256"))
def test_robot_signature_equals_the_published_vector(given, signature):
    assert dingtalk.sign(given["timestamp_ms"], given["secret"]) == signature
