"""Clients of the platforms: sign, page, refresh, throttle, write back. They yield raw payloads and map nothing."""

import httpx

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import ConfigError
from orderpipe.platforms.base import Client, Page, RawPayload, Refused, Unanswered, Window, WindowPolicy
from orderpipe.platforms.shopify import ShopifyClient
from orderpipe.platforms.taobao import TaobaoClient
from orderpipe.platforms.tokens import TokenStore

PLATFORMS = {
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


def open_client(shop: Shop, *, tokens: TokenStore, clock: Clock, http: httpx.Client | None = None) -> Client:
    """The client of a shop's platform. http: a connection to share; the client then leaves it open.

    Raises ConfigError for an unknown platform, a missing credential or a base_url that is none.
    """
    try:
        client = PLATFORMS[shop.platform]
    except KeyError:
        remedy = f"use one of {', '.join(sorted(PLATFORMS))}"
        raise ConfigError(f"no client for platform {shop.platform!r}", where=shop.id, remedy=remedy) from None
    return client(shop, tokens=tokens, clock=clock, http=http)
