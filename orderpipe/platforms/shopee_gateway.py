"""The gateway of the Shopee Open Platform (v2): signature, access token, envelope, errors, pace.

Source of every fact: platform documentation of Shopee, sections "API calls", "Authorization" and "Errors".
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, PlatformError, Throttled, Unavailable
from orderpipe.platforms.authorisation import RenewedAuth
from orderpipe.platforms.base import Refused, Unanswered, credential
from orderpipe.platforms.http import Again, Retry, SteadyClock, endpoint, exchange, retry_after
from orderpipe.platforms.pace import Pace
from orderpipe.platforms.tokens import Token, TokenStore

REFRESH = "/api/v2/auth/access_token/get"
MOST_CALLS = 100.0  # a second, of one API
EPOCH_FROM = 10**9  # an expire_in beyond this is a moment, not a span
T = TypeVar("T")


def sign(
    path: str, timestamp: int, partner_id: str, partner_key: str, access_token: str = "", shop_id: str = ""
) -> str:
    """The signature of a call, lower-case hex. Neither parameters nor body are signed.

    path: from /api/v2/ on, without host and query. timestamp: unix seconds. access_token, shop_id: of calls for a
    shop; public calls have neither.
    """
    text = f"{partner_id}{path}{timestamp}{access_token}{shop_id}"
    return hmac.new(partner_key.encode(), text.encode(), hashlib.sha256).hexdigest()


def push_signature(url: str, body: bytes, partner_key: str) -> str:
    """What the Authorization header of a push must be, lower-case hex. url: as registered in the console."""
    return hmac.new(partner_key.encode(), url.encode() + b"|" + body, hashlib.sha256).hexdigest()


class ShopeeError(msgspec.Struct):
    """What every answer carries; error is empty (or "-") on success and may have its module's name before a dot."""

    error: str | None = None
    message: str | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        request = f"request {self.request_id}" if self.request_id else ""
        return ", ".join(part for part in (self.error, self.message, request) if part)

    @property
    def name(self) -> str:
        """The error without its module; empty on success."""
        return (self.error or "").strip().rpartition(".")[2].removeprefix("-")

    @property
    def text(self) -> str:
        return (self.message or "").lower()

    @property
    def is_token(self) -> bool:
        return self.name in TOKEN or (self.name == "error_auth" and "access_token" in self.text)

    @property
    def is_grant(self) -> bool:
        lost = any(part in self.text for part in ("partner_id", "shopid", "refresh_token"))
        return self.name in GRANT or (self.name == "error_auth" and lost)

    @property
    def is_clock(self) -> bool:
        return self.name == "error_param" and "timestamp" in self.text

    @property
    def is_passing(self) -> bool:
        """A failure of the platform's own, whatever its name says."""
        busy = re.search(r"try (again )?later|request not from gateway|core server error|parse data failed", self.text)
        return self.name in SERVER or (self.name not in ("error_auth", "error_perm") and busy is not None)

    @property
    def is_absent(self) -> bool:
        return self.name in ABSENT or "is not found" in self.text


class NotFound(Refused):
    """What was asked for does not exist, or belongs to another shop."""


# invalid_acceess_token is spelt so.
TOKEN = frozenset({"invalid_acceess_token", "invalid_access_token"})
GRANT = frozenset({
    "shop_no_linked", "partner_shop_no_link", "shop_banned", "shop_access_expired", "error_shop_refresh_token",
    "refresh_token_expired",
})  # fmt: skip
SERVER = frozenset({"error_server", "error_inner", "error_network", "error_system_busy", "error_unlist_item_failed"})
ABSENT = frozenset({"error_not_found", "order_not_found", "error_item_not_found"})
PERMISSION = {
    **dict.fromkeys(
        ("error_permission", "error_perm", "error_api_permission"),
        "apply for the permission in the platform's console, then authorise the shop again",
    ),
    "source_ip_undeclared": "add this machine's address to the application's IP list in the platform's console",
    "error_partner_key_expired": "renew the key in the platform's console and set SHOPEE_PARTNER_KEY",
}


def error_in(content: bytes) -> ShopeeError | None:
    """The error of an answer; None on success and for what is no JSON object."""
    try:
        error = msgspec.json.decode(content, type=ShopeeError, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return error if error.name else None


class _Grant(msgspec.Struct):
    access_token: str
    refresh_token: str = ""
    expire_in: float | None = None


class Answer(msgspec.Struct):
    """An answer without error. response: what was asked for, empty where the call gives nothing back."""

    request_id: str | None = None
    response: msgspec.Raw = msgspec.Raw()


class ShopeeAuth(RenewedAuth):
    """Adds the common parameters and the signature to a call; renews an access token, which lives four hours.

    A refresh token works once. Tokens belong to one shop.
    """

    def __init__(self, shop: Shop, tokens: TokenStore, clock: SteadyClock):
        self._partner_id, self._key = credential(shop, "partner_id"), credential(shop, "partner_key")
        self._number = credential(shop, "shop_id")
        for name, value in (("partner_id", self._partner_id), ("shop_id", self._number)):
            if not (value.isascii() and value.isdigit()):
                remedy = f"correct the environment variable that its `{name}` refers to"
                raise ConfigError(f"credential {name} is not a number", where=shop.id, remedy=remedy)
        super().__init__(shop, tokens, clock, self._key, self._partner_id, self._number)
        self._base = httpx.URL(endpoint(shop.base_url, "", where=shop.id))

    def signed(self, request: httpx.Request, token: Token) -> httpx.Request:
        return self._signed(request, request.url, request.content, token.access_token, self._number)

    def expired(self, response: httpx.Response) -> bool:
        error = error_in(response.content)
        return error is not None and error.is_token

    def renewal(self, request: httpx.Request, token: Token) -> httpx.Request:
        body = {
            "refresh_token": token.refresh_token,
            "partner_id": int(self._partner_id),
            "shop_id": int(self._number),
        }
        url = self._base.copy_with(path=self._base.path.rstrip("/") + REFRESH)
        return self._signed(request, url, msgspec.json.encode(body), "", "")

    def renewed(self, response: httpx.Response) -> Token:
        error = error_in(response.content)
        if error and (error.is_passing or error.is_clock or error.name == "error_rate_limit"):
            what = f"refreshing the access token failed ({error.name})"
            raise Again(Unavailable(what, where=self.shop_id, remedy=_NEXT_RUN))
        if error:
            raise self.reauthorise(f"refreshing the access token was refused ({error.name})")
        try:  # the tokens stand at top level, not under `response`
            grant = msgspec.json.decode(response.content, type=_Grant, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # If the platform did exchange the token, the next attempt is refused and asks for a person.
            what = "the answer to a token refresh could not be read"
            raise Again(BadResponse(what, where=self.shop_id, remedy=_NEXT_RUN, scope="shop")) from None
        life = grant.expire_in
        if life and life > EPOCH_FROM:
            life -= self.clock.now().timestamp()
        return self.pair(grant.access_token, grant.refresh_token, life)

    def reauthorise(self, what: str) -> NeedsReauthorisation:
        remedy = "authorise the shop again and set its tokens (SHOPEE_ACCESS_TOKEN, SHOPEE_REFRESH_TOKEN)"
        return NeedsReauthorisation(what, where=self.shop_id, remedy=remedy)

    def _signed(
        self, request: httpx.Request, url: httpx.URL, body: bytes, access_token: str, shop_id: str
    ) -> httpx.Request:
        path = url.path.removeprefix(self._base.path.rstrip("/"))
        timestamp = int(self.clock.now().timestamp())
        common = {"partner_id": self._partner_id, "timestamp": str(timestamp)}
        if shop_id:
            common |= {"access_token": access_token, "shop_id": shop_id}
        common["sign"] = sign(path, timestamp, self._partner_id, self._key, access_token, shop_id)
        return httpx.Request(
            "POST" if body else "GET",
            url.copy_merge_params(common),
            headers={name: value for name, value in request.headers.items() if name != "content-length"}
            | ({"content-type": "application/json"} if body else {}),
            content=body,
            extensions=request.extensions,  # carries the timeouts
        )


class ShopeeGateway:
    """Calls of one shop through the gateway, with the retries the documentation allows."""

    def __init__(self, shop: Shop, tokens: TokenStore, clock: Clock, http: httpx.Client, sleep: Callable[[float], Any]):
        self._shop, self._http, self._sleep = shop, http, sleep
        self._auth = ShopeeAuth(shop, tokens, SteadyClock(clock))
        self._retry = Retry(tries=5, budget=float(shop.settings.get("throttle_budget_seconds", 60)), sleep=sleep)
        self._rate = float(shop.settings.get("calls_per_second", 10))
        self._paces: dict[str, Pace] = {}
        self._lock = threading.Lock()

    def call(self, path: str, params: Mapping[str, Any], answer: type[T], *, body: Any = None) -> T:
        """Call an API that changes nothing and decode what stands under `response`.

        params: query; a list repeats its name, empty values are left out. body: JSON object, sent by POST.
        Raises NeedsReauthorisation, Throttled, Unavailable, Refused (NotFound) or BadResponse after the retries.
        """

        def decoded(found: Answer) -> T:
            return msgspec.json.decode(found.response, type=answer)

        return self._run(path, params, body, repeatable=True, read=decoded)

    def act(self, path: str, body: Any, *, repeatable: bool) -> Answer:
        """Call an API that changes something. repeatable: whether doing it twice equals doing it once; if not, an
        unclear end raises Unanswered. Raises as `call` does."""
        return self._run(path, {}, body, repeatable=repeatable, read=lambda found: found)

    def _run(
        self, path: str, params: Mapping[str, Any], body: Any, *, repeatable: bool, read: Callable[[Answer], T]
    ) -> T:
        again = iter((True,))  # a signature or a time stamp that is refused is made anew once

        def attempt() -> T:
            try:
                return self._attempt(path, params, body, repeatable, read)
            except _BadSignature as refused:
                raise (Again(refused.error) if next(again, False) else refused.error) from None

        return self._retry.run(attempt)

    def _attempt(
        self, path: str, params: Mapping[str, Any], body: Any, repeatable: bool, read: Callable[[Answer], T]
    ) -> T:
        where = f"{self._shop.id}, {path.removeprefix('/api/v2/')}"
        given = {name: value for name, value in params.items() if value not in ("", None)}
        content = None if body is None else msgspec.json.encode(body)
        url = endpoint(self._shop.base_url, path, where=self._shop.id)
        request = self._http.build_request("GET" if body is None else "POST", url, params=given, content=content)
        pace = self._pace(path)
        pace.wait()
        response = exchange(self._http, request, self._auth, where=where, repeatable=repeatable)
        # Errors come with HTTP 200 and with 403: what the body says goes before the status.
        error = error_in(response.content)
        pace.heard(too_fast=error is not None and error.name == "error_rate_limit")
        if error:
            raise self._judge(error, where, repeatable)
        try:
            response.content.decode()  # raw slices of the answer are passed on as text
            return read(msgspec.json.decode(response.content, type=Answer))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _unreadable(response, where, repeatable) from None

    def _pace(self, path: str) -> Pace:
        with self._lock:
            # The platform publishes no figure: start low, and see.
            return self._paces.setdefault(path, Pace(self._rate, most=MOST_CALLS, sleep=self._sleep))

    def _judge(self, error: ShopeeError, where: str, repeatable: bool) -> Exception:
        """What an error means, by the documentation's table and the traps in it."""
        what = self._auth.redact(str(error))
        if error.is_token:
            return self._auth.reauthorise(f"the access token is refused ({what})")
        if error.is_grant:
            return self._auth.reauthorise(f"the shop's authorisation is gone ({what})")
        if error.name == "error_sign" or error.is_clock:
            remedy = "set this machine's clock right (5 minutes are tolerated) and check SHOPEE_PARTNER_KEY"
            return _BadSignature(NeedsReauthorisation(f"refused ({what})", where=where, remedy=remedy))
        if error.name == "error_rate_limit":
            return Again(Throttled(f"calls are limited ({what})", where=where, remedy=_NEXT_RUN))
        if error.is_passing:
            failure = Unavailable(f"the platform failed ({what})", where=where, remedy=_NEXT_RUN)
            return Again(failure) if repeatable else Unanswered(failure.what, where=where, remedy=_READ_FIRST)
        if error.name == "error_limit":
            return Throttled(f"the daily quota is used up ({what})", where=where, remedy="it opens at 00:00 GMT+8")
        if error.name in PERMISSION:
            return NeedsReauthorisation(f"refused ({what})", where=where, remedy=PERMISSION[error.name])
        if error.is_absent:
            return NotFound(f"not found ({what})", where=where, remedy="check that it belongs to this shop")
        return Refused(f"refused ({what})", where=where, remedy="see the error in the platform's documentation")


class _BadSignature(Exception):
    """The platform refuses signature or time stamp: perhaps the clock was read wrongly, perhaps the key is wrong."""

    def __init__(self, error: PlatformError):
        super().__init__(str(error))
        self.error = error


_NEXT_RUN = "the next run tries again"
_READ_FIRST = "it is read again before it is sent again"


def _unreadable(response: httpx.Response, where: str, repeatable: bool) -> Exception:
    """An answer that is neither what was asked for nor an error: an edge's page, cut short, or changed."""
    status = response.status_code
    if status == 429:
        return Again(Throttled("HTTP 429", where=where, remedy=_NEXT_RUN), after=retry_after(response))
    if not repeatable:
        return Unanswered(f"unreadable answer (HTTP {status})", where=where, remedy=_READ_FIRST)
    if status >= 500:
        return Again(Unavailable(f"HTTP {status}", where=where, remedy=_NEXT_RUN))
    remedy = "compare the answer with the platform's documentation"
    return Again(BadResponse(f"unreadable answer (HTTP {status})", where=where, remedy=remedy))
