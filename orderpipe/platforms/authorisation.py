"""A shop's authorisation that must be renewed: one token pair, refreshed once, saved before it is first used."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from datetime import timedelta

import httpx

from orderpipe.config import Shop
from orderpipe.errors import NeedsReauthorisation
from orderpipe.platforms.base import credential
from orderpipe.platforms.http import SteadyClock
from orderpipe.platforms.tokens import Token, TokenStore, fingerprint


class RenewedAuth(httpx.Auth, ABC):
    """Signs every request with the newest access token; renews an expired one once and sends the request again.

    A platform says in the five methods below how it signs, how it tells an expired token, and how it renews one.
    access, refresh: names of the two credentials in shops.yaml; the platform may do without the second. margin: a
    token whose end is known and nearer than this is renewed before it is used, so that none expires mid-walk.
    """

    access = "access_token"
    refresh = "refresh_token"
    margin = timedelta(minutes=5)

    def __init__(self, shop: Shop, tokens: TokenStore, clock: SteadyClock, *secrets: str):
        self.shop_id, self.clock = shop.id, clock
        self._tokens, self._secrets = tokens, secrets
        first, second = credential(shop, self.access), shop.credentials.get(self.refresh, "").strip()
        self._origin = fingerprint(*secrets, first, second)
        self._configured = Token(first, second, origin=self._origin)

    @abstractmethod
    def signed(self, request: httpx.Request, token: Token) -> httpx.Request:
        """The request as the platform wants it, with this access token, time stamp and signature."""

    @abstractmethod
    def expired(self, response: httpx.Response) -> bool:
        """Whether the platform refuses the access token in a way that a renewal mends. The response is read."""

    @abstractmethod
    def renewal(self, request: httpx.Request, token: Token) -> httpx.Request:
        """The request that exchanges the refresh token; `request` lends its URL and its timeouts (extensions)."""

    @abstractmethod
    def renewed(self, response: httpx.Response) -> Token:
        """The pair in the answer to a renewal; `self.pair(…)` makes one. Raises Again for an answer that another
        attempt may mend, NeedsReauthorisation when a person must authorise the shop again. The response is read."""

    @abstractmethod
    def reauthorise(self, what: str) -> NeedsReauthorisation:
        """The error that sends an operator to authorise the shop again, with the remedy for this platform."""

    def token(self) -> Token:
        """The newest pair: the stored one if it grew out of the configured one, else the configured one."""
        return self._tokens.get(self.shop_id, self._origin) or self._configured

    def pair(self, access_token: str, refresh_token: str, expires_in: float | None) -> Token:
        """A token pair granted now; expires_in: seconds."""
        expires = self.clock.now() + timedelta(seconds=expires_in) if expires_in else None
        return Token(access_token, refresh_token, expires, self._origin)

    def redact(self, text: str) -> str:
        """The text without any secret of this shop that the platform may have echoed."""
        token = self.token()
        held = (*self._secrets, token.access_token, token.refresh_token)
        for secret in (*held, self._configured.access_token, self._configured.refresh_token):
            if secret:
                text = text.replace(secret, "***")
        return text

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.read()
        token = self.token()
        if token.refresh_token and token.expires_at and token.expires_at - self.margin <= self.clock.now():
            token = yield from self._exchanged(request, stale=token)
        response = yield self.signed(request, token)
        response.read()
        if self.expired(response):
            token = yield from self._exchanged(request, stale=token)
            yield self.signed(request, token)

    def _exchanged(self, request: httpx.Request, stale: Token) -> Generator[httpx.Request, httpx.Response, Token]:
        with self._tokens.refreshing(self.shop_id):
            current = self.token()
            if current != stale:  # another thread or process was faster
                return current
            if not current.refresh_token:
                raise self.reauthorise("the access token has expired and there is no refresh token")
            response = yield self.renewal(request, current)
            response.read()
            fresh = self.renewed(response)
            # A refresh token works once: the new pair must be safe before anything depends on it.
            self._tokens.set(self.shop_id, fresh)
            return fresh
