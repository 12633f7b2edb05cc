"""The GraphQL Admin API of one Shopify shop: token, cost, pacing, errors.

Source of every fact: platform documentation of the Admin API, sections "Endpoint and credentials" and "Cost,
throttling, errors".
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import httpx
import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms.base import Refused, Unanswered, credential
from orderpipe.platforms.http import Again, Retry, SteadyClock, endpoint, exchange, retry_after
from orderpipe.platforms.tokens import Token, TokenStore, fingerprint

API_VERSION = "2026-10"
TOKEN_MARGIN = timedelta(minutes=5)  # a token this close to its end is not used any more
T = TypeVar("T")


class TooCostly(Refused):
    """One query may not cost this much: ask for fewer objects."""


class Struggling(Unavailable):
    """The platform failed inside or did not answer, through all retries; a smaller query may help."""


@cache
def document(name: str) -> str:
    """The text of a GraphQL document shipped with this package."""
    return (resources.files("orderpipe.platforms") / "graphql" / f"{name}.graphql").read_text("utf-8")


class ShopifyAuth(httpx.Auth):
    """Adds the access token: the configured one, or one of the client credentials grant, kept until it expires.

    A 401 makes it ask for a new token once and replay.
    """

    def __init__(self, shop: Shop, tokens: TokenStore, clock: SteadyClock):
        self._shop_id, self._tokens, self._clock = shop.id, tokens, clock
        self._url = endpoint(shop.base_url, "/admin/oauth/access_token", where=shop.id)
        self._static = shop.credentials.get("access_token", "").strip()
        if not self._static:
            self._client = {name: credential(shop, name) for name in ("client_id", "client_secret")}
            self._origin = fingerprint(*self._client.values())

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._static or self._stored()
        if not token:
            token = yield from self._granted(request, stale="")
        response = yield self._with(request, token)
        if response.status_code == 401 and not self._static:
            token = yield from self._granted(request, stale=token)
            yield self._with(request, token)

    @staticmethod
    def _with(request: httpx.Request, token: str) -> httpx.Request:
        request.headers["X-Shopify-Access-Token"] = token
        return request

    def _stored(self) -> str:
        token = self._tokens.get(self._shop_id, self._origin)
        alive = token and (token.expires_at is None or self._clock.now() < token.expires_at - TOKEN_MARGIN)
        return token.access_token if token and alive else ""

    def _granted(self, request: httpx.Request, stale: str) -> Generator[httpx.Request, httpx.Response, str]:
        with self._tokens.refreshing(self._shop_id):
            current = self._stored()
            if current and current != stale:  # another process was faster
                return current
            form = {**self._client, "grant_type": "client_credentials"}
            response = yield httpx.Request("POST", self._url, data=form, extensions=request.extensions)
            fresh = self._token_from(response, response.read())
            self._tokens.set(self._shop_id, fresh)
            return fresh.access_token

    def _token_from(self, response: httpx.Response, content: bytes) -> Token:
        status = response.status_code
        if status == 429 or status >= 500:
            error = Unavailable(f"asking for a token failed (HTTP {status})", where=self._shop_id, remedy=_NEXT_RUN)
            raise Again(error, after=retry_after(response))
        try:
            grant = msgspec.json.decode(content, type=_Grant, strict=False)
        except msgspec.MsgspecError:
            if status == 200:
                what = "the answer to a token request could not be read"
                raise Again(BadResponse(what, where=self._shop_id, remedy=_NEXT_RUN, scope="shop")) from None
            remedy = "correct SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET and check that the app is installed"
            what = f"no token was granted (HTTP {status})"
            raise NeedsReauthorisation(what, where=self._shop_id, remedy=remedy) from None
        expires = self._clock.now() + timedelta(seconds=grant.expires_in) if grant.expires_in else None
        return Token(grant.access_token, "", expires, self._origin)


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: int | None = None


class _Throttle(msgspec.Struct, rename="camel"):
    maximum_available: float
    currently_available: float
    restore_rate: float


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float = 0
    throttle_status: _Throttle | None = None


class _Extensions(msgspec.Struct):
    cost: _Cost | None = None
    search: list[dict[str, Any]] = []


class _GraphQLError(msgspec.Struct):
    message: str = ""
    extensions: dict[str, Any] = {}


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_GraphQLError] | str | None = None
    extensions: _Extensions = msgspec.field(default_factory=_Extensions)


class Bucket:
    """What the platform lets us spend: a bucket of points that refills by the second. One per app and shop."""

    def __init__(self) -> None:
        self.maximum, self._available, self._rate, self._at = 2000.0, 2000.0, 100.0, time.monotonic()

    def update(self, status: _Throttle) -> None:
        """Take over what an answer said."""
        self.maximum, self._rate = status.maximum_available, max(1.0, status.restore_rate)
        self._available, self._at = status.currently_available, time.monotonic()

    def wait_for(self, cost: float) -> float:
        """Seconds until a query of this cost can be paid, with some jitter when there is a wait at all."""
        available = min(self.maximum, self._available + (time.monotonic() - self._at) * self._rate)
        missing = min(cost, self.maximum) - available
        return missing / self._rate * random.uniform(1.0, 1.2) if missing > 0 else 0.0


class AdminApi:
    """Sends GraphQL documents to one shop, paced and retried as the platform asks.

    warnings: what an operator should know though the call succeeded.
    """

    def __init__(self, shop: Shop, tokens: TokenStore, clock: Clock, http: httpx.Client, sleep: Callable[[float], Any]):
        self.warnings: list[str] = []
        self.bucket = Bucket()
        self._shop_id, self._http, self._sleep = shop.id, http, sleep
        self._version = shop.api_version or API_VERSION
        self._url = endpoint(shop.base_url, f"/admin/api/{self._version}/graphql.json", where=shop.id)
        self._auth = ShopifyAuth(shop, tokens, SteadyClock(clock))
        self._retry = Retry(tries=5, budget=float(shop.settings.get("throttle_budget_seconds", 60)), sleep=sleep)
        self._costs: dict[str, float] = {}

    def run(self, name: str, variables: Mapping[str, Any], answer: type[T], *, repeatable: bool = True) -> T:
        """Run the shipped document `name` and decode its `data`.

        repeatable: whether doing it twice equals doing it once; if not, an unclear end raises Unanswered.
        Raises NeedsReauthorisation, Unavailable (Struggling), Throttled, TooCostly or BadResponse.
        """
        return self._retry.run(lambda: self._attempt(name, variables, answer, repeatable))

    def cost_of(self, name: str) -> float:
        """Points the last run of this document was charged before it ran; 0 when it has not run."""
        return self._costs.get(name, 0.0)

    def _attempt(self, name: str, variables: Mapping[str, Any], answer: type[T], repeatable: bool) -> T:
        where = f"{self._shop_id}, {name}"
        wait = self.bucket.wait_for(self.cost_of(name))
        if wait > self._retry.budget:
            raise Throttled(f"the points for it come back in {wait:.0f} s", where=where, remedy=_NEXT_RUN)
        if wait > 0:
            self._sleep(wait)
        request = self._http.build_request("POST", self._url, json={"query": document(name), "variables": variables})
        try:
            response = exchange(self._http, request, self._auth, where=where, repeatable=repeatable)
        except Again as again:
            if isinstance(again.error, Unavailable):
                again.error = Struggling(again.error.what, where=where, remedy=again.error.remedy)
            raise
        try:
            return self._understood(response, name, where, answer)
        except Again as again:
            if repeatable:
                raise
            raise Unanswered(again.error.what, where=where, remedy=_READ_FIRST) from None

    def _understood(self, response: httpx.Response, name: str, where: str, answer: type[T]) -> T:
        self._check_status(response, where)
        self._check_version(response)
        try:
            response.content.decode()  # raw slices of the answer are passed on as text
            found = msgspec.json.decode(response.content, type=_Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Again(BadResponse("unreadable answer", where=where, remedy=_NEXT_RUN)) from None
        self._account(name, found.extensions.cost)
        if found.errors:
            raise self._judge(found, name, where)
        if any(entry.get("warnings") for entry in found.extensions.search):
            # An unknown filter is ignored by the platform: the answer would be the whole shop.
            raise BadResponse("the platform did not understand the search text", where=where, remedy=_REPORT)
        try:
            return msgspec.json.decode(found.data, type=answer)
        except msgspec.MsgspecError:
            raise Again(BadResponse("the data has an unexpected shape", where=where, remedy=_REPORT)) from None

    def _check_status(self, response: httpx.Response, where: str) -> None:
        status = response.status_code
        if status == 429:
            after = retry_after(response)
            raise Again(Throttled("HTTP 429", where=where, remedy=_NEXT_RUN), after=2.0 if after is None else after)
        if status == 401:
            remedy = "renew the app's access (SHOPIFY_CLIENT_ID, SHOPIFY_CLIENT_SECRET or the static access token)"
            raise NeedsReauthorisation("the access token is refused (HTTP 401)", where=where, remedy=remedy)
        if status in _GONE:
            raise Unavailable(f"HTTP {status}: {_GONE[status]}", where=where, remedy=_OWNER)
        if status >= 500:
            raise Again(Struggling(f"HTTP {status}", where=where, remedy=_NEXT_RUN))
        if status != 200:
            raise BadResponse(f"HTTP {status}", where=where, remedy=_REPORT)

    def _check_version(self, response: httpx.Response) -> None:
        served = response.headers.get("X-Shopify-API-Version", self._version)
        warning = f"{self._shop_id}: API version {self._version} was asked for, {served} answered; set api_version"
        if served != self._version and warning not in self.warnings:
            self.warnings.append(warning)

    def _account(self, name: str, cost: _Cost | None) -> None:
        if cost is None:
            return
        self._costs[name] = cost.requested_query_cost
        if cost.throttle_status:
            self.bucket.update(cost.throttle_status)

    def _judge(self, answer: _Answer, name: str, where: str) -> Exception:
        """What GraphQL errors mean. Messages of the platform are not passed on: they may quote data."""
        listed = answer.errors if isinstance(answer.errors, list) else [_GraphQLError(answer.errors or "")]
        codes = {str(error.extensions.get("code", "")) for error in listed}
        if "THROTTLED" in codes:
            wait = self.bucket.wait_for(self.cost_of(name))
            return Again(Throttled("the points are used up", where=where, remedy=_NEXT_RUN), after=wait)
        if "MAX_COST_EXCEEDED" in codes:
            return TooCostly("the query costs more than one query may", where=where, remedy=_REPORT)
        if "SHOP_INACTIVE" in codes:
            return Unavailable("the shop is inactive", where=where, remedy=_OWNER)
        if "ACCESS_DENIED" in codes or any("not approved to access" in error.message for error in listed):
            remedy = "grant the app the scopes and the protected customer data it needs, then install it again"
            return NeedsReauthorisation("access to some fields is denied", where=where, remedy=remedy)
        if bytes(answer.data) != b"null":
            # Such data has holes; it must never pass for complete.
            return Again(BadResponse("a part of the data is missing", where=where, remedy=_NEXT_RUN))
        if "INTERNAL_SERVER_ERROR" in codes or any("Internal error" in error.message for error in listed):
            return Again(Struggling("the platform failed inside", where=where, remedy=_NEXT_RUN))
        named = ", ".join(sorted(codes - {""})) or "without code"
        return BadResponse(f"GraphQL errors ({named})", where=where, remedy=_REPORT)


_NEXT_RUN = "the next run tries again"
_READ_FIRST = "it is read again before it is sent again"
_REPORT = "the window is pulled again; if it stays so, compare the query with the platform's documentation"
_OWNER = "ask the shop's owner to look at its state in the platform's admin"
_GONE = {402: "the shop is frozen", 403: "forbidden", 404: "no such shop or API", 423: "the shop is locked"}
