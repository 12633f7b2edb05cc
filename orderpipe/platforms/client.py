"""What every platform's client begins and ends with."""

import time
from collections.abc import Callable
from typing import Any, ClassVar

import httpx

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.platforms.base import WindowPolicy
from orderpipe.platforms.http import new_client
from orderpipe.platforms.tokens import TokenStore


class ShopClient:
    """One authorised shop. windows: how the windows of each kind are cut, which also says what kinds there are;
    settings of the shop (window_*_minutes, for listings product_window_*_minutes) override it.

    http: a connection to share, left open by close(). sleep: how to wait, seconds.
    """

    kinds: ClassVar[tuple[str, ...]]
    windows: ClassVar[dict[str, WindowPolicy]]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.kinds = tuple(cls.windows)

    def __init__(
        self,
        shop: Shop,
        *,
        tokens: TokenStore,
        clock: Clock,
        http: httpx.Client | None = None,
        sleep: Callable[[float], Any] = time.sleep,
    ):
        self._shop, self._sleep = shop, sleep
        timeout = float(shop.settings.get("read_timeout_seconds", 30))
        self._http, self._owns_http = http or new_client(read_timeout=timeout), http is None
        self._open(tokens, clock)

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        """Set up the platform's gateway on self._shop and self._http."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shop.id!r})"

    def close(self) -> None:
        """Give back the connections this client opened."""
        if self._owns_http:
            self._http.close()

    @classmethod
    def policy_of(cls, shop: Shop, kind: str) -> WindowPolicy:
        """How windows of this kind are cut for a shop, also one that no client can be opened for. Raises KeyError when
        the platform has no documents of this kind."""
        return cls.windows[kind].overridden(shop.settings, prefix="product_" if kind == "product" else "")

    def policy(self, kind: str) -> WindowPolicy:
        """How windows of this kind are cut. Raises ValueError when the platform has no documents of this kind."""
        self._require(kind)
        return self.policy_of(self._shop, kind)

    def _require(self, kind: str) -> None:
        if kind not in self.windows:
            raise ValueError(f"{self!r} has no documents of kind {kind!r}, only {', '.join(self.kinds)}")

    def is_listed(self, product_id: str) -> bool | None:
        """Whether a product is on sale (all of its variants); None when the platform does not tell, or tells of some
        variants only."""
        return None
