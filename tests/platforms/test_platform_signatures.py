"""Signatures against published vectors, and against a second implementation written from the text of the rules."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderpipe.platforms.china_time import parse_time, time_text
from orderpipe.platforms.shopify import callback_signature, webhook_signature
from orderpipe.platforms.top import sign

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text("utf-8"))["vectors"]


def vectors(*schemes):
    return [pytest.param(vector, id=vector["id"]) for scheme in schemes for vector in VECTORS[scheme]]


@pytest.mark.parametrize("vector", vectors("top-md5", "top-hmac", "top-hmac-sha256"))
def test_top_signature_equals_the_published_vector(vector):
    params = vector["inputs"]["params"]
    method = vector["scheme"].removeprefix("top-")
    assert sign(params, vector["inputs"]["secret"], method) == vector["signature"]


@pytest.mark.parametrize("vector", vectors("shopify_webhook"))
def test_shopify_webhook_signature_equals_the_published_vector(vector):
    raw_body = vector["raw_body"].encode()
    assert webhook_signature(raw_body, vector["client_secret"]) == vector["signature_base64"]
    assert webhook_signature(raw_body + b" ", vector["client_secret"]) != vector["signature_base64"]


@pytest.mark.parametrize("vector", vectors("shopify_oauth_callback"))
def test_shopify_callback_signature_equals_the_published_vector(vector):
    assert callback_signature(vector["params"], vector["client_secret"]) == vector["signature"]
    with_itself = {**vector["params"], "hmac": vector["signature"]}
    assert callback_signature(with_itself, vector["client_secret"]) == vector["signature"]


def naive_top_signature(pairs, secret, method):
    """The documentation's five steps, one after the other, on bytes."""
    kept = []
    for key, value in pairs.items():
        if key == "" or value == "" or key == "sign":
            continue
        kept.append((key.encode("utf-8"), value.encode("utf-8")))
    kept.sort(key=lambda pair: pair[0])
    joined = b""
    for key, value in kept:
        joined += key
        joined += value
    if method == "md5":
        digest = hashlib.new("md5", secret.encode("utf-8") + joined + secret.encode("utf-8"))
    else:
        digest = hmac.HMAC(secret.encode("utf-8"), joined, {"hmac": "md5", "hmac-sha256": "sha256"}[method])
    return "".join(f"{byte:02X}" for byte in digest.digest())


names = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
values = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@given(st.dictionaries(names, values, max_size=10), values, st.sampled_from(["md5", "hmac", "hmac-sha256"]))
def test_top_signature_equals_a_second_implementation(params, secret, method):
    assert sign(params, secret or "s", method) == naive_top_signature(params, secret or "s", method)


@given(st.datetimes(min_value=parse_time("2000-01-01 00:00:00").replace(tzinfo=None)))
def test_platform_times_come_back_as_the_same_instant_in_utc(naive):
    from datetime import UTC

    instant = naive.replace(tzinfo=UTC, microsecond=0)
    if instant.year < 9999:
        assert parse_time(time_text(instant)) == instant
