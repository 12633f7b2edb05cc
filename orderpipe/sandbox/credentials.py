"""The sandbox's credentials: fixed, documented test values, and the tokens that rotate while it runs."""

import hashlib
from dataclasses import dataclass

DAY = 86400
SESSION_LIFE = 365 * DAY
SHOPIFY_TOKEN_LIFE = DAY

FIXED = {
    "TAOBAO_APP_KEY": "30001234",
    "TAOBAO_APP_SECRET": "sandbox-top-0f1e2d3c4b5a69788796a5b4",
    "SHOPIFY_CLIENT_ID": "sandbox-shopify-client",
    "SHOPIFY_CLIENT_SECRET": "shpss_sandbox0123456789abcdef",
    "WMS_APP_KEY": "23000001",
    "WMS_SECRET": "sandbox-qimen-0123456789abcdef",
    "WMS_CUSTOMER_ID": "c1700000001",
    "KUAIDI100_KEY": "SandboxKey001",
    "KUAIDI100_SECRET": "sandboxKuaidiSecret001",
    "DINGTALK_ACCESS_TOKEN": "sandbox-dingtalk-0123456789abcdef",
    "DINGTALK_SECRET": "SECsandbox0123456789abcdef",
}
FIRST_SESSION = "6100sandboxsession0000000000000000000000taobaohz"
FIRST_REFRESH = "6101sandboxrefresh0000000000000000000000taobaohz"
INITIAL = FIXED | {"TAOBAO_SESSION": FIRST_SESSION, "TAOBAO_REFRESH_TOKEN": FIRST_REFRESH}


@dataclass(slots=True)
class Session:
    """A seller's authorisation of the app on Taobao; a refresh replaces both tokens."""

    shop_id: str
    access_token: str
    refresh_token: str
    expires_at: int


class Credentials:
    """Who may call. start: the world's first second, from which the first session runs."""

    def __init__(self, start: int):
        self._start = start
        self.session = Session("taobao-hz", FIRST_SESSION, FIRST_REFRESH, start + SESSION_LIFE)
        self._shopify: dict[str, int] = {}
        self._issued = 0

    def environment(self) -> dict[str, str]:
        """Every credential by the name of its environment variable; rotated tokens in their present value."""
        return FIXED | {"TAOBAO_SESSION": self.session.access_token, "TAOBAO_REFRESH_TOKEN": self.session.refresh_token}

    def refresh_session(self, refresh_token: str, now: int) -> Session | None:
        """Exchange a refresh token, once: both tokens change. None when it is not the valid one."""
        if refresh_token != self.session.refresh_token:
            return None
        shop_id = self.session.shop_id
        self.session = Session(
            shop_id, f"6100{self._token(shop_id)}", f"6101{self._token(shop_id)}", now + SESSION_LIFE
        )
        return self.session

    def expire_session(self, now: int) -> None:
        """End the present session's access token; its refresh token goes on."""
        self.session.expires_at = now

    def grant_shopify(self, now: int) -> str:
        """A new Admin API access token, good for a day."""
        token = f"shpat_{self._token('shopify')[:32]}"
        self._shopify[token] = now + SHOPIFY_TOKEN_LIFE
        return token

    def knows_shopify(self, token: str, now: int) -> bool:
        return self._shopify.get(token, 0) > now

    def revoke_shopify(self) -> None:
        """End every Admin API access token."""
        self._shopify.clear()

    def _token(self, name: str) -> str:
        self._issued += 1
        return hashlib.sha256(f"{self._start}/{name}/{self._issued}".encode()).hexdigest()[:44]
