"""The gateway of the Taobao Open Platform (TOP): signature, session, envelope, errors.

Source of every fact: platform documentation of TOP, sections "Transport" and "Errors".
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms.authorisation import RenewedAuth
from orderpipe.platforms.base import Refused, Unanswered, credential
from orderpipe.platforms.china_time import time_text
from orderpipe.platforms.http import Again, Retry, SteadyClock, endpoint, exchange, retry_after
from orderpipe.platforms.tokens import Token, TokenStore

T = TypeVar("T")


def sign(params: Mapping[str, str], secret: str, method: str = "md5", body: str = "") -> str:
    """The TOP signature of raw (not URL-encoded) parameters, upper-case hex.

    method: md5, hmac (HMAC-MD5) or hmac-sha256. Entries with an empty key or value and `sign` itself do not count.
    body: the raw request body, where a protocol on top of TOP signs it too (Qimen).
    """
    text = "".join(key + params[key] for key in sorted(params) if key and key != "sign" and params[key]) + body
    if method == "md5":
        return hashlib.md5(f"{secret}{text}{secret}".encode()).hexdigest().upper()
    digest = {"hmac": hashlib.md5, "hmac-sha256": hashlib.sha256}[method]
    return hmac.new(secret.encode(), text.encode(), digest).hexdigest().upper()


class TopError(msgspec.Struct):
    """The `error_response` object; sub_code and sub_msg may be missing."""

    code: int = 0
    msg: str | None = None
    sub_code: str | None = None
    sub_msg: str | None = None
    request_id: str | None = None

    def __post_init__(self) -> None:
        self.sub_code = self.sub_code or ""

    def __str__(self) -> str:
        parts = [f"code {self.code}", self.sub_code, self.sub_msg or self.msg]
        if self.request_id:
            parts.append(f"request {self.request_id}")
        return ", ".join(part for part in parts if part)

    @property
    def is_session(self) -> bool:
        names = ("invalid-session", "session-expired", "session-not-exist", "sessionkey-not-generated-by-server")
        return self.code in (26, 27) or any(name in self.sub_code for name in names)


def _error_in(content: bytes) -> TopError | None:
    if b"error_response" not in content[:64]:
        return None
    try:
        return msgspec.json.decode(content, type=dict[str, TopError], strict=False).get("error_response")
    except msgspec.MsgspecError:
        return None


class _TokenResult(msgspec.Struct):
    access_token: str
    refresh_token: str = ""
    expires_in: int | None = None


class TopAuth(RenewedAuth):
    """Adds the common parameters and the signature to a call; renews an expired session."""

    access = "session"

    def __init__(self, shop: Shop, tokens: TokenStore, clock: SteadyClock):
        self._app_key, self._secret = credential(shop, "app_key"), credential(shop, "app_secret")
        self._method = shop.settings.get("sign_method", "md5")
        super().__init__(shop, tokens, clock, self._app_key, self._secret)

    def signed(self, request: httpx.Request, token: Token) -> httpx.Request:
        return self._signed(request, {**dict(parse_qsl(request.content.decode())), "session": token.access_token})

    def expired(self, response: httpx.Response) -> bool:
        error = _error_in(response.content)
        return error is not None and error.is_session

    def renewal(self, request: httpx.Request, token: Token) -> httpx.Request:
        params = {"method": "taobao.top.auth.token.refresh", "refresh_token": token.refresh_token}
        return self._signed(request, params)

    def renewed(self, response: httpx.Response) -> Token:
        error = _error_in(response.content)
        if error and error.sub_code.startswith("isp."):
            raise Again(Unavailable(f"refreshing the session failed: {error.sub_code}", where=self.shop_id))
        if error:
            raise self.reauthorise(f"refreshing the session was refused (code {error.code} {error.sub_code})")
        try:
            envelope = msgspec.json.decode(response.content, type=dict[str, dict[str, Any]])
            text = envelope["top_auth_token_refresh_response"]["token_result"]
            result = msgspec.json.decode(text, type=_TokenResult, strict=False)
        except (msgspec.MsgspecError, KeyError, TypeError):
            # If the platform did exchange the token, the next attempt is refused and asks for a person.
            what = "the answer to a session refresh could not be read"
            raise Again(BadResponse(what, where=self.shop_id, remedy=_NEXT_RUN, scope="shop")) from None
        return self.pair(result.access_token, result.refresh_token, result.expires_in)

    def reauthorise(self, what: str) -> NeedsReauthorisation:
        remedy = "authorise the shop again and set its session and refresh token (TAOBAO_SESSION, TAOBAO_REFRESH_TOKEN)"
        return NeedsReauthorisation(what, where=self.shop_id, remedy=remedy)

    def _signed(self, request: httpx.Request, params: Mapping[str, str]) -> httpx.Request:
        common = {
            "app_key": self._app_key,
            "timestamp": time_text(self.clock.now()),
            "format": "json",
            "v": "2.0",
            "sign_method": self._method,
        }
        full = {**params, **common}
        full["sign"] = sign(full, self._secret, self._method)
        return httpx.Request(
            "POST",
            request.url,
            headers={name: value for name, value in request.headers.items() if name != "content-length"},
            content=urlencode(full).encode(),
            extensions=request.extensions,  # carries the timeouts
        )


class TopGateway:
    """Calls of one shop through the gateway, with the retries the documentation allows."""

    def __init__(self, shop: Shop, tokens: TokenStore, clock: Clock, http: httpx.Client, sleep: Callable[[float], Any]):
        self._shop_id, self._http = shop.id, http
        self._url = endpoint(shop.base_url, "/router/rest", where=shop.id)
        self._clock = SteadyClock(clock)
        self._auth = TopAuth(shop, tokens, self._clock)
        self._retry = Retry(budget=float(shop.settings.get("throttle_budget_seconds", 60)), sleep=sleep)

    def call(self, method: str, params: Mapping[str, str], answer: type[T], *, repeatable: bool = True) -> T:
        """Call a TOP method and decode the object under its `…_response` root.

        repeatable: whether doing it twice equals doing it once; if not, an unclear end raises Unanswered.
        Raises NeedsReauthorisation, Throttled, Unavailable, Refused or BadResponse after the allowed retries.
        """
        return self._retry.run(lambda: self._attempt(method, params, answer, repeatable))

    def _attempt(self, method: str, params: Mapping[str, str], answer: type[T], repeatable: bool) -> T:
        where = f"{self._shop_id}, {method}"
        request = self._http.build_request("POST", self._url, data={"method": method, **params})
        response = exchange(self._http, request, self._auth, where=where, repeatable=repeatable)
        error = _error_in(response.content)
        if error:
            raise self._judge(error, where, repeatable)
        root = method.removeprefix("taobao.").replace(".", "_") + "_response"
        try:
            response.content.decode()  # raw slices of the answer are passed on as text
            envelope = msgspec.json.decode(response.content, type=dict[str, msgspec.Raw])
            return msgspec.json.decode(envelope[root], type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            raise _unreadable(response, where, repeatable) from None

    def _judge(self, error: TopError, where: str, repeatable: bool) -> Exception:
        """What an error_response means, by the documentation's table."""
        what = self._auth.redact(str(error))
        if error.is_session:
            return self._auth.reauthorise(f"the session is refused ({what})")
        if error.code == 7:
            return self._judge_limit(error, what, where)
        if error.sub_code.startswith("isp.") or error.code == 10 or error.sub_code == _TRY_LATER:
            failure = Unavailable(f"the platform failed ({what})", where=where, remedy=_NEXT_RUN)
            if repeatable or error.sub_code == _TRY_LATER:
                return Again(failure)
            return Unanswered(failure.what, where=where, remedy=_READ_FIRST)
        if error.code in _KEY_TROUBLE:
            return NeedsReauthorisation(f"refused ({what})", where=where, remedy=_KEY_TROUBLE[error.code])
        return Refused(f"refused ({what})", where=where, remedy="see the sub_code in the platform's documentation")

    def _judge_limit(self, error: TopError, what: str, where: str) -> Exception:
        limit = error.sub_code
        if "limited-by-app-access-count" in limit:
            return Throttled(f"the daily quota is used up ({what})", where=where, remedy="it opens at 00:00 GMT+8")
        if "limited-by-app-api-access-count" in limit:
            remedy = "put the application online or apply for the API in the platform's console"
            return Refused(f"the application may not call this ({what})", where=where, remedy=remedy, scope="shop")
        throttled = Throttled(f"calls are limited ({what})", where=where, remedy=_NEXT_RUN)
        ban = re.search(r"ban will last for (\d+) more second", f"{error.sub_msg} {error.msg}")
        return Again(throttled, after=int(ban[1]) + 1 if ban else None)


_NEXT_RUN = "the next run tries again"
_READ_FIRST = "it is read again before it is sent again"
_TRY_LATER = "isv.logistics-offline-service-error:B150"
_KEY_TROUBLE = {
    **dict.fromkeys((24, 25), "correct the application's secret (TAOBAO_APP_SECRET)"),
    **dict.fromkeys((28, 29), "correct the application's key (TAOBAO_APP_KEY)"),
    **dict.fromkeys((30, 31), "set this machine's clock right: the platform tolerates 10 minutes"),
    **dict.fromkeys((11, 12, 13), "apply for the permission in the platform's console, then authorise the shop again"),
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
