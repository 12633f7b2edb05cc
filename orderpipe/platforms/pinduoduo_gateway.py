"""The gateway of the Pinduoduo Open Platform: signature, access token, response roots, errors.

Source of every fact: platform documentation of Pinduoduo, sections "Transport", "Tokens" and "Errors".
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import china_time
from orderpipe.platforms.authorisation import RenewedAuth
from orderpipe.platforms.base import Refused, Unanswered, credential
from orderpipe.platforms.http import Again, Retry, SteadyClock, endpoint, exchange, retry_after
from orderpipe.platforms.tokens import Token, TokenStore

# The root key of an answer does not follow from the type; an answer with a wrong root is no answer.
ROOTS = {
    "pdd.order.number.list.increment.get": "order_sn_increment_get_response",
    "pdd.order.information.get": "order_info_get_response",
    "pdd.refund.list.increment.get": "refund_increment_get_response",
    "pdd.goods.sale.status.set": "goods_sale_status_set_response",
    "pdd.logistics.online.send": "logistics_online_send_response",
    "pdd.time.get": "time_get_response",
}
REFRESH, REFRESH_ROOT = "pdd.pop.auth.token.refresh", "pop_auth_token_refresh_response"
EXPIRED = 10019
BUSY = frozenset({50000, 50002, 52001, 52002, 52102, 52103})
THROTTLED = frozenset({52101, 70031})  # turned away before any work
MAINTENANCE = 70033
T = TypeVar("T")


def sign(params: Mapping[str, str], secret: str) -> str:
    """The signature of raw (not URL-encoded) parameters, upper-case hex. Empty values and `sign` do not count."""
    text = "".join(key + params[key] for key in sorted(params) if key != "sign" and params[key])
    return hashlib.md5(f"{secret}{text}{secret}".encode()).hexdigest().upper()


def parse_time(text: str) -> datetime:
    """A time of the platform as aware UTC: `yyyy-MM-dd HH:mm:ss` in GMT+8, or unix seconds as text (refunds have
    both). Raises ValueError."""
    if text.isascii() and text.isdigit():
        try:
            return datetime.fromtimestamp(int(text), UTC)
        except (OverflowError, OSError):
            raise ValueError("not a time") from None
    return china_time.parse_time(text)


class PddError(msgspec.Struct):
    """The `error_response` object; sub_code and sub_msg may be missing or null."""

    error_code: int = 0
    error_msg: str | None = None
    sub_code: str | int | None = None
    sub_msg: str | None = None
    request_id: str | int | None = None

    def __str__(self) -> str:
        detail = self.sub_msg or self.error_msg
        sub_code = f"sub code {self.sub_code}" if self.sub_code and str(self.sub_code) != str(self.error_code) else ""
        request = f"request {self.request_id}" if self.request_id else ""
        return ", ".join(part for part in (f"code {self.error_code}", sub_code, detail, request) if part)


def _error_in(content: bytes) -> PddError | None:
    if b"error_response" not in content[:64]:
        return None
    try:
        return msgspec.json.decode(content, type=dict[str, PddError], strict=False).get("error_response")
    except msgspec.MsgspecError:
        return None


class _Grant(msgspec.Struct):
    access_token: str
    refresh_token: str = ""
    expires_in: float | None = None


class PddAuth(RenewedAuth):
    """Adds the common parameters, the access token and the signature to a call; renews an expired token.

    How long a token lives depends on the kind of app (a day, a month): only expires_in counts.
    """

    def __init__(self, shop: Shop, tokens: TokenStore, clock: SteadyClock):
        self._client_id, self._secret = credential(shop, "client_id"), credential(shop, "client_secret")
        super().__init__(shop, tokens, clock, self._client_id, self._secret)

    def signed(self, request: httpx.Request, token: Token) -> httpx.Request:
        asked = dict(parse_qsl(request.content.decode()))
        return self._signed(request, {**asked, "access_token": token.access_token})

    def expired(self, response: httpx.Response) -> bool:
        error = _error_in(response.content)
        return error is not None and error.error_code == EXPIRED

    def renewal(self, request: httpx.Request, token: Token) -> httpx.Request:
        return self._signed(request, {"type": REFRESH, "refresh_token": token.refresh_token})

    def renewed(self, response: httpx.Response) -> Token:
        error = _error_in(response.content)
        if error and error.error_code in BUSY | THROTTLED | {MAINTENANCE}:
            what = f"refreshing the access token failed (code {error.error_code})"
            raise Again(Unavailable(what, where=self.shop_id, remedy=_NEXT_RUN))
        if error:
            raise self.reauthorise(f"refreshing the access token was refused (code {error.error_code})")
        try:
            envelope = msgspec.json.decode(response.content, type=dict[str, msgspec.Raw])
            grant = msgspec.json.decode(envelope[REFRESH_ROOT], type=_Grant, strict=False)
        except (msgspec.MsgspecError, KeyError):
            # If the platform did exchange the token, the next attempt is refused and asks for a person.
            what = "the answer to a token refresh could not be read"
            raise Again(BadResponse(what, where=self.shop_id, remedy=_NEXT_RUN, scope="shop")) from None
        return self.pair(grant.access_token, grant.refresh_token, grant.expires_in)

    def reauthorise(self, what: str) -> NeedsReauthorisation:
        remedy = "authorise the shop again and set its tokens (PINDUODUO_ACCESS_TOKEN, PINDUODUO_REFRESH_TOKEN)"
        return NeedsReauthorisation(what, where=self.shop_id, remedy=remedy)

    def _signed(self, request: httpx.Request, params: Mapping[str, str]) -> httpx.Request:
        common = {
            "client_id": self._client_id,
            "timestamp": str(int(self.clock.now().timestamp())),
            "data_type": "JSON",
            "version": "V1",
        }
        full = {**params, **common}
        full["sign"] = sign(full, self._secret)
        return httpx.Request(
            "POST",
            request.url,
            headers={name: value for name, value in request.headers.items() if name != "content-length"},
            content=urlencode(full).encode(),
            extensions=request.extensions,  # carries the timeouts
        )


class PddGateway:
    """Calls of one shop through the gateway, with the retries the documentation allows."""

    def __init__(self, shop: Shop, tokens: TokenStore, clock: Clock, http: httpx.Client, sleep: Callable[[float], Any]):
        self._shop_id, self._http = shop.id, http
        self._url = endpoint(shop.base_url, "/api/router", where=shop.id)
        self.clock = SteadyClock(clock)
        self._auth = PddAuth(shop, tokens, self.clock)
        # Quotas are counted over 10 s or 60 s; the answer does not say which is used up.
        self._throttle_wait = float(shop.settings.get("throttle_wait_seconds", 10))
        self._retry = Retry(budget=float(shop.settings.get("throttle_budget_seconds", 60)), sleep=sleep)

    def call(self, api: str, params: Mapping[str, str], answer: type[T], *, repeatable: bool = True) -> T:
        """Call an API of ROOTS by its `type` and decode the object under its root. Empty params are left out.

        repeatable: whether doing it twice equals doing it once; if not, an unclear end raises Unanswered.
        Raises NeedsReauthorisation, Throttled, Unavailable, Refused or BadResponse after the allowed retries.
        """
        return self._retry.run(lambda: self._attempt(api, params, answer, repeatable))

    def _attempt(self, api: str, params: Mapping[str, str], answer: type[T], repeatable: bool) -> T:
        where = f"{self._shop_id}, {api}"
        given = {name: value for name, value in params.items() if value}
        request = self._http.build_request("POST", self._url, data={"type": api, **given})
        response = exchange(self._http, request, self._auth, where=where, repeatable=repeatable)
        error = _error_in(response.content)
        if error:
            raise self._judge(error, where, repeatable)
        try:
            response.content.decode()  # raw slices of the answer are passed on as text
            envelope = msgspec.json.decode(response.content, type=dict[str, msgspec.Raw])
            return msgspec.json.decode(envelope[ROOTS[api]], type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            raise _unreadable(response, where, repeatable) from None

    def _judge(self, error: PddError, where: str, repeatable: bool) -> Exception:
        """What an error_response means, by the documentation's table."""
        code, what = error.error_code, self._auth.redact(str(error))
        if code == EXPIRED or code in _UNAUTHORISED:
            return self._auth.reauthorise(f"the access token is refused ({what})")
        if code in THROTTLED:
            throttled = Throttled(f"calls are limited ({what})", where=where, remedy=_NEXT_RUN)
            return Again(throttled, after=self._throttle_wait)
        if code in BUSY:
            failure = Unavailable(f"the platform failed ({what})", where=where, remedy=_NEXT_RUN)
            return Again(failure) if repeatable else Unanswered(failure.what, where=where, remedy=_READ_FIRST)
        if code == MAINTENANCE:
            return Unavailable(f"the platform is being maintained ({what})", where=where, remedy=_NEXT_RUN)
        if "timestamp" in f"{error.error_msg} {error.sub_msg}":
            remedy = "set this machine's clock right: the platform tolerates 10 minutes"
            return NeedsReauthorisation(f"refused ({what})", where=where, remedy=remedy)
        if code in _KEY_TROUBLE:
            return NeedsReauthorisation(f"refused ({what})", where=where, remedy=_KEY_TROUBLE[code])
        if code in _BLOCKED:
            return Refused(f"blocked ({what})", where=where, remedy=_BLOCKED[code], scope="shop")
        return Refused(f"refused ({what})", where=where, remedy="see the code in the platform's documentation")


_NEXT_RUN = "the next run tries again"
_READ_FIRST = "it is read again before it is sent again"
_UNAUTHORISED = frozenset({20031, 20032, 20034, 20035})
_KEY_TROUBLE = {
    10016: "correct the application's id (PINDUODUO_CLIENT_ID) and check that the application is online",
    20004: "correct the application's secret (PINDUODUO_CLIENT_SECRET)",
    20005: "add this machine's address to the application's whitelist in the platform's console",
}
_BLOCKED = {
    **dict.fromkeys((70032, 70034, 70035), "ask the platform's support why the application is blocked"),
    70036: "put the application online in the platform's console: in test it has a small quota",
}


def _unreadable(response: httpx.Response, where: str, repeatable: bool) -> Exception:
    """An answer that is neither the expected root nor an error: an edge's page, cut short, or changed."""
    status = response.status_code
    if status == 429:
        return Again(Throttled("HTTP 429", where=where, remedy=_NEXT_RUN), after=retry_after(response))
    if not repeatable:
        return Unanswered(f"unreadable answer (HTTP {status})", where=where, remedy=_READ_FIRST)
    if status >= 500:
        return Again(Unavailable(f"HTTP {status}", where=where, remedy=_NEXT_RUN))
    remedy = "compare the answer with the platform's documentation"
    return Again(BadResponse(f"unreadable answer (HTTP {status})", where=where, remedy=remedy))
