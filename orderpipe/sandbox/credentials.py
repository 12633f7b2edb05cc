"""The sandbox's credentials: fixed, documented test values, and the tokens that rotate while it runs."""

import hashlib
from dataclasses import dataclass

HOUR, DAY = 3600, 86400
SHOPIFY_TOKEN_LIFE = DAY

FIXED = {
    "TAOBAO_APP_KEY": "30001234",
    "TAOBAO_APP_SECRET": "sandbox-top-0f1e2d3c4b5a69788796a5b4",
    "PINDUODUO_CLIENT_ID": "sandbox0pdd0client0id00000000001",
    "PINDUODUO_CLIENT_SECRET": "sandbox0pdd0secret0f1e2d3c4b5a6978879",
    "DOUYIN_APP_KEY": "7000000000000000001",
    "DOUYIN_APP_SECRET": "sandbox-douyin-0f1e2d3c4b5a6978",
    "DOUYIN_SHOP_ID": "4463798",
    "JD_APP_KEY": "SANDBOX0JD0APPKEY0000000000000001",
    "JD_APP_SECRET": "sandboxjdsecret0f1e2d3c4b5a69788",
    "SHOPEE_PARTNER_ID": "2000001",
    "SHOPEE_PARTNER_KEY": "shpk73616e64626f7873686f706565706172746e65726b6579",
    "SHOPEE_SHOP_ID": "300000001",
    "LAZADA_APP_KEY": "100001",
    "LAZADA_APP_SECRET": "sandboxlazadasecret0f1e2d3c4b5a6",
    "SHOPIFY_CLIENT_ID": "sandbox-shopify-client",
    "SHOPIFY_CLIENT_SECRET": "shpss_sandbox0123456789abcdef",
    "WMS_APP_KEY": "23000001",
    "WMS_SECRET": "sandbox-qimen-0123456789abcdef",
    "WMS_CUSTOMER_ID": "c1700000001",
    "KUAIDI100_KEY": "SandboxKey001",
    "KUAIDI100_SECRET": "sandboxKuaidiSecret001",
    "KUAIDI100_CUSTOMER": "SandboxCustomer001",
    "DINGTALK_ACCESS_TOKEN": "sandbox-dingtalk-0123456789abcdef",
    "DINGTALK_SECRET": "SECsandbox0123456789abcdef",
}


@dataclass(frozen=True, slots=True)
class Authorisation:
    """How a platform hands out token pairs: names of the environment variables, how the tokens begin, how long they
    live (seconds) unless the platform's module says otherwise."""

    access_name: str
    refresh_name: str
    access_start: str
    refresh_start: str
    life: int
    refresh_life: int


AUTHORISATIONS = {
    "taobao-hz": Authorisation("TAOBAO_SESSION", "TAOBAO_REFRESH_TOKEN", "6100", "6101", 365 * DAY, 365 * DAY),
    "pinduoduo-hz": Authorisation("PINDUODUO_ACCESS_TOKEN", "PINDUODUO_REFRESH_TOKEN", "pa", "pr", DAY, 30 * DAY),
    "douyin-hz": Authorisation("DOUYIN_ACCESS_TOKEN", "DOUYIN_REFRESH_TOKEN", "da", "dr", 7 * DAY, 14 * DAY),
    "jd-hz": Authorisation("JD_ACCESS_TOKEN", "JD_REFRESH_TOKEN", "ja", "jr", 365 * DAY, 365 * DAY),
    "shopee-sg": Authorisation("SHOPEE_ACCESS_TOKEN", "SHOPEE_REFRESH_TOKEN", "sa", "sr", 4 * HOUR, 30 * DAY),
    "lazada-my": Authorisation("LAZADA_ACCESS_TOKEN", "LAZADA_REFRESH_TOKEN", "50000", "50001", 30 * DAY, 180 * DAY),
}


@dataclass(slots=True)
class Grant:
    """A seller's authorisation of the app: a token pair, and when each of the two ends (epoch seconds)."""

    shop_id: str
    access_token: str
    refresh_token: str
    expires_at: int
    refresh_expires_at: int


def _first(shop_id: str, start: int) -> Grant:
    """The pair every world begins with."""
    how, name = AUTHORISATIONS[shop_id], shop_id.replace("-", "")
    return Grant(
        shop_id,
        f"{how.access_start}sandboxaccess{name:0>31}",
        f"{how.refresh_start}sandboxrefresh{name:0>30}",
        start + how.life,
        start + how.refresh_life,
    )


def _variables(grants: dict[str, Grant]) -> dict[str, str]:
    found = {}
    for shop_id, grant in grants.items():
        how = AUTHORISATIONS[shop_id]
        found |= {how.access_name: grant.access_token, how.refresh_name: grant.refresh_token}
    return found


INITIAL = FIXED | _variables({shop_id: _first(shop_id, 0) for shop_id in AUTHORISATIONS})


class Credentials:
    """Who may call. start: the world's present second, from which the first token pairs run."""

    def __init__(self, start: int):
        self._start = start
        self.grants = {shop_id: _first(shop_id, start) for shop_id in AUTHORISATIONS}
        self._shopify: dict[str, int] = {}
        self._shopify_installed = True
        self._issued = 0

    def environment(self) -> dict[str, str]:
        """Every credential by the name of its environment variable; rotated tokens in their present value."""
        return FIXED | _variables(self.grants)

    def knows(self, shop_id: str, access_token: str, now: int) -> bool:
        """Whether it is the shop's present access token and has not ended."""
        grant = self.grants[shop_id]
        return access_token == grant.access_token and now < grant.expires_at

    def refresh(
        self, shop_id: str, refresh_token: str, now: int, life: int | None = None, refresh_life: int | None = None
    ) -> Grant | None:
        """Exchange a refresh token, once: both tokens change. None when it is not the valid one or has ended.

        life, refresh_life: seconds, the platform's usual ones unless given.
        """
        grant = self.grants[shop_id]
        if refresh_token != grant.refresh_token or now >= grant.refresh_expires_at:
            return None
        return self.authorise(shop_id, now, life, refresh_life)

    def authorise(
        self, shop_id: str, now: int, life: int | None = None, refresh_life: int | None = None
    ) -> Grant | None:
        """A new token pair for a shop, as after the seller's consent; for Shopify the app is installed again."""
        if shop_id not in self.grants:
            self._shopify_installed = True
            return None
        how = AUTHORISATIONS[shop_id]
        self.grants[shop_id] = Grant(
            shop_id,
            how.access_start + self._token(shop_id),
            how.refresh_start + self._token(shop_id),
            now + (how.life if life is None else life),
            now + (how.refresh_life if refresh_life is None else refresh_life),
        )
        return self.grants[shop_id]

    def expire(self, shop_id: str, now: int) -> None:
        """End the present access token; its refresh token goes on."""
        if shop_id in self.grants:
            self.grants[shop_id].expires_at = now
        else:
            self._shopify.clear()

    def revoke(self, shop_id: str) -> None:
        """The seller takes the authorisation back: neither token is worth anything any more."""
        if shop_id in self.grants:
            self.grants[shop_id].expires_at = self.grants[shop_id].refresh_expires_at = 0
        else:
            self._shopify.clear()
            self._shopify_installed = False

    def grant_shopify(self, now: int) -> str | None:
        """A new Admin API access token, good for a day; None while the app is not installed."""
        if not self._shopify_installed:
            return None
        token = f"shpat_{self._token('shopify')[:32]}"
        self._shopify[token] = now + SHOPIFY_TOKEN_LIFE
        return token

    def knows_shopify(self, token: str, now: int) -> bool:
        return self._shopify.get(token, 0) > now

    def _token(self, name: str) -> str:
        self._issued += 1
        return hashlib.sha256(f"{self._start}/{name}/{self._issued}".encode()).hexdigest()[:44]
