"""Clients of the platforms: sign, page, refresh, throttle, write back. They yield raw payloads and map nothing."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import ConfigError
from orderpipe.platforms.base import Client, Page, RawPayload, Refused, Unanswered, Window, WindowPolicy
from orderpipe.platforms.douyin import DouyinClient
from orderpipe.platforms.jd import JdClient
from orderpipe.platforms.lazada import LazadaClient
from orderpipe.platforms.pinduoduo import PinduoduoClient
from orderpipe.platforms.shopee import ShopeeClient
from orderpipe.platforms.shopify import ShopifyClient
from orderpipe.platforms.taobao import TaobaoClient
from orderpipe.platforms.tokens import TokenStore

PLATFORMS = {
    "douyin": DouyinClient,
    "jd": JdClient,
    "lazada": LazadaClient,
    "pinduoduo": PinduoduoClient,
    "shopee": ShopeeClient,
    "shopify": ShopifyClient,
    "taobao": TaobaoClient,
}

__all__ = [
    "PLATFORMS",
    "Client",
    "Page",
    "RawPayload",
    "Refused",
    "TokenStore",
    "Unanswered",
    "Window",
    "WindowPolicy",
    "open_client",
]


def open_client(
    shop: Shop,
    *,
    tokens: TokenStore,
    clock: Clock,
    http: httpx.Client | None = None,
    sleep: Callable[[float], Any] = time.sleep,
) -> Client:
    """The client of a shop's platform. http: a connection to share; the client then leaves it open. sleep: how to
    wait, seconds.

    Raises ConfigError for an unknown platform, a missing credential or a base_url that is none.
    """
    try:
        client = PLATFORMS[shop.platform]
    except KeyError:
        remedy = f"use one of {', '.join(sorted(PLATFORMS))}"
        raise ConfigError(f"no client for platform {shop.platform!r}", where=shop.id, remedy=remedy) from None
    return client(shop, tokens=tokens, clock=clock, http=http, sleep=sleep)
