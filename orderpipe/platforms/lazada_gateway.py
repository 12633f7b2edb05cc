"""The gateway of the Lazada Open Platform (LazOP): signature, tokens, envelope, errors.

Source of every fact: platform documentation of Lazada, sections "Signature", "Seller authorization" and "Errors".
"""

import hashlib
import hmac
import random
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms.authorisation import RenewedAuth
from orderpipe.platforms.base import Refused, Unanswered, credential
from orderpipe.platforms.http import Again, Retry, SteadyClock, endpoint, exchange, retry_after
from orderpipe.platforms.tokens import Token, TokenStore

T = TypeVar("T")
REFRESH = "/auth/token/refresh"
AUTHORISATION_HOST = "https://auth.lazada.com/rest"


def sign(path: str, params: Mapping[str, str], secret: str) -> str:
    """The LazOP signature, upper-case hex.

    path: the API's path, without the `/rest` of the host. params: all parameters of query and form, raw (not
    URL-encoded); `sign` itself does not count. Names sort by their bytes: capitals come before small letters.
    """
    text = path + "".join(name + params[name] for name in sorted(params) if name != "sign")
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


def push_signature(raw_body: bytes, app_key: str, secret: str) -> str:
    """What the Authorization header must say about a push message: lower-case hex HMAC-SHA256 over the application's
    key and the bytes as received."""
    return hmac.new(secret.encode(), app_key.encode() + raw_body, hashlib.sha256).hexdigest()


class LazadaError(msgspec.Struct):
    """An answer whose code is not "0". The documentation uses `type` inconsistently: nothing is decided by it."""

    code: str | int = ""
    message: str | None = None
    request_id: str | None = None

    def __post_init__(self) -> None:
        self.code, self.message = str(self.code), self.message or ""

    def __str__(self) -> str:
        parts = [f"code {self.code}", self.message, self.request_id and f"request {self.request_id}"]
        return ", ".join(part for part in parts if part)

    @property
    def is_token(self) -> bool:
        return self.code in ("IllegalAccessToken", "InvalidAccessToken")

    @property
    def is_limit(self) -> bool:
        return self.code in ("ApiCallLimit", "SellerCallLimit", "AppCallLimit")

    @property
    def is_daily(self) -> bool:
        return self.is_limit and re.search(r"\b(daily|per day|a day|today)\b", self.message, re.IGNORECASE) is not None

    @property
    def is_passing(self) -> bool:
        """A failure of the platform itself. Code 6 also stands for a status filter it does not know."""
        if self.code in ("6", "E006") and "filter" in self.message.lower():
            return False
        return self.code in _PASSING or "rpc timeout" in self.message.lower()


_PASSING = frozenset({
    "SystemError", "ServiceTimeout", "6", "E006", "E0006", "901", "998", "513", "506", "1000", "1002",
    "40011", "700024",
})  # fmt: skip


def _error_in(content: bytes) -> LazadaError | None:
    """The error an answer tells; None when it tells success, or nothing that can be read."""
    try:
        error = msgspec.json.decode(content, type=LazadaError)
    except msgspec.MsgspecError:
        return None
    return error if error.code not in ("", "0") else None


class _Pair(msgspec.Struct):
    """Lives in seconds; numbers come as text at times."""

    access_token: str
    refresh_token: str = ""
    expires_in: float | None = None
    refresh_expires_in: float | None = None


class LazadaAuth(RenewedAuth):
    """Adds the common parameters and the signature to a call; renews a token that has ended or is about to.

    Renewing does not extend the life of the refresh token: when that ends, the seller must authorise again; warnings
    says so beforehand. Settings of the shop: auth_url (where tokens are renewed; the documented host for the
    documented sites, else base_url), common_params ("body" or "query": where a POST carries them, both are said to
    be accepted) and tokens_of (the shop whose tokens it shares: a cross-border seller has one pair for all sites).
    """

    margin = timedelta(0)

    def __init__(self, shop: Shop, tokens: TokenStore, clock: SteadyClock):
        self.warnings: list[str] = []
        self._app_key, self._secret = credential(shop, "app_key"), credential(shop, "app_secret")
        self._base_path = httpx.URL(endpoint(shop.base_url, "", where=shop.id)).path.rstrip("/")
        self._in_query = shop.settings.get("common_params", "body") == "query"
        known = re.fullmatch(r"api\.lazada\.[a-z.]+", httpx.URL(shop.base_url).host)
        authorisation = shop.settings.get("auth_url") or (AUTHORISATION_HOST if known else shop.base_url)
        self._refresh_url = endpoint(authorisation, REFRESH, where=shop.id)
        super().__init__(shop, tokens, clock, self._app_key, self._secret)
        self.shop_id = str(shop.settings.get("tokens_of", shop.id))

    def signed(self, request: httpx.Request, token: Token) -> httpx.Request:
        path = request.url.path.removeprefix(self._base_path)
        business = dict(request.url.params) | dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        common = self._common(path, business, access_token=token.access_token)
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        if request.method == "GET":
            url, content = request.url.copy_with(params={**business, **common}), None
        elif self._in_query:
            url, content = request.url.copy_with(params=common), urlencode(business).encode()
        else:
            url, content = request.url, urlencode({**business, **common}).encode()
        return httpx.Request(request.method, url, headers=headers, content=content, extensions=request.extensions)

    def expired(self, response: httpx.Response) -> bool:
        error = _error_in(response.content)
        return error is not None and error.is_token

    def renewal(self, request: httpx.Request, token: Token) -> httpx.Request:
        business = {"refresh_token": token.refresh_token}
        form = {**business, **self._common(REFRESH, business)}
        return httpx.Request("POST", self._refresh_url, data=form, extensions=request.extensions)

    def renewed(self, response: httpx.Response) -> Token:
        error = _error_in(response.content)
        if error and (error.is_passing or (error.is_limit and not error.is_daily)):
            raise Again(Unavailable(f"renewing the token failed: code {error.code}", where=self.shop_id))
        if error:
            raise self.reauthorise(f"renewing the token was refused (code {error.code})")
        try:
            pair = msgspec.json.decode(response.content, type=_Pair, strict=False)
        except msgspec.MsgspecError:
            # If the platform did exchange the token, the next attempt is refused and asks for a person.
            what = f"the answer to a token renewal could not be read (HTTP {response.status_code})"
            raise Again(BadResponse(what, where=self.shop_id, remedy=_NEXT_RUN, scope="shop")) from None
        if pair.refresh_expires_in and pair.refresh_expires_in < _NOTICE:
            days = int(pair.refresh_expires_in // _DAY)
            self.warnings.append(f"{self.shop_id}: the seller must authorise the shop again within {days} days")
        # It is renewed a day before it ends, or at half its life where that is later.
        life = pair.expires_in
        return self.pair(pair.access_token, pair.refresh_token, life and max(life - _DAY, life / 2))

    def reauthorise(self, what: str) -> NeedsReauthorisation:
        remedy = "authorise the shop again and set its tokens (LAZADA_ACCESS_TOKEN, LAZADA_REFRESH_TOKEN)"
        return NeedsReauthorisation(what, where=self.shop_id, remedy=remedy)

    def _common(self, path: str, business: Mapping[str, str], **more: str) -> dict[str, str]:
        """The common parameters of a call, signature included. The time stamp is in milliseconds."""
        common = {
            "app_key": self._app_key,
            "timestamp": str(int(self.clock.now().timestamp() * 1000)),
            "sign_method": "sha256",
            **more,
        }
        return {**common, "sign": sign(path, {**business, **common}, self._secret)}


class LazadaGateway:
    """Calls of one shop, with the retries the documentation allows."""

    def __init__(self, shop: Shop, tokens: TokenStore, clock: Clock, http: httpx.Client, sleep: Callable[[float], Any]):
        self._shop, self._http = shop, http
        self._auth = LazadaAuth(shop, tokens, SteadyClock(clock))
        budget = float(shop.settings.get("throttle_budget_seconds", 60))
        self._retry = Retry(tries=5, budget=budget, sleep=sleep)

    @property
    def warnings(self) -> list[str]:
        """What an operator should know though the calls succeeded."""
        return self._auth.warnings

    def read(self, path: str, params: Mapping[str, str], answer: type[T], *, root: str = "data") -> T:
        """GET an API and decode the object under `root`.

        Raises NeedsReauthorisation, Throttled, Unavailable, Refused or BadResponse after the allowed retries.
        """
        return self._retry.run(lambda: self._attempt("GET", path, params, answer, root, True))

    def write(
        self, path: str, params: Mapping[str, str], answer: type[T], *, root: str = "data", repeatable: bool = True
    ) -> T:
        """POST to an API and decode the object under `root`.

        repeatable: whether doing it twice equals doing it once; if not, an unclear end raises Unanswered.
        """
        return self._retry.run(lambda: self._attempt("POST", path, params, answer, root, repeatable))

    def _attempt(
        self, verb: str, path: str, params: Mapping[str, str], answer: type[T], root: str, repeatable: bool
    ) -> T:
        where = f"{self._shop.id}, {path}"
        url = endpoint(self._shop.base_url, path, where=self._shop.id)
        # The SDKs disagree on whether an empty value is signed, so none is sent.
        sent = {name: value for name, value in params.items() if value}
        request = self._http.build_request(verb, url, **({"params": sent} if verb == "GET" else {"data": sent}))
        response = exchange(self._http, request, self._auth, where=where, repeatable=repeatable)
        if error := _error_in(response.content):
            raise self._judge(error, where, repeatable)
        try:
            response.content.decode()  # raw slices of the answer are passed on as text
            envelope = msgspec.json.decode(response.content, type=dict[str, msgspec.Raw])
            if bytes(envelope["code"]).strip(b'"') != b"0":
                raise KeyError("code")
            return msgspec.json.decode(envelope.get(root, _EMPTY), type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            raise _unreadable(response, where, repeatable) from None

    def _judge(self, error: LazadaError, where: str, repeatable: bool) -> Exception:
        """What an answer with a code means, by the documentation's table."""
        what = self._auth.redact(str(error))
        if error.is_token:
            return self._auth.reauthorise(f"the access token is refused ({what})")
        if error.code in _GRANT_TROUBLE:
            return self._auth.reauthorise(f"the authorisation is refused ({what})")
        if error.is_daily:
            return Throttled(f"the daily quota is used up ({what})", where=where, remedy="it opens the next day, GMT+8")
        if error.is_limit:
            ban = re.search(r"ban will last (?:for )?(\d+)", error.message)
            after = int(ban[1]) + random.uniform(0.2, 1.0) if ban else None
            return Again(Throttled(f"calls are limited ({what})", where=where, remedy=_NEXT_RUN), after=after)
        if error.is_passing:
            failure = Unavailable(f"the platform failed ({what})", where=where, remedy=_NEXT_RUN)
            return Again(failure) if repeatable else Unanswered(failure.what, where=where, remedy=_READ_FIRST)
        if error.code in _KEY_TROUBLE or "timestamp" in error.code.lower():
            remedy = _KEY_TROUBLE.get(error.code, "set this machine's clock right: the platform tolerates 2 hours")
            return NeedsReauthorisation(f"refused ({what})", where=where, remedy=remedy)
        return Refusal(error.code, f"refused ({what})", where)


class Refusal(Refused):
    """A refusal that keeps the platform's code, for those who know what it means to them."""

    def __init__(self, code: str, what: str, where: str):
        super().__init__(what, where=where, remedy="see the code in the platform's documentation")
        self.code = code


_DAY = 86_400
_NOTICE = 14 * _DAY
_NEXT_RUN = "the next run tries again"
_READ_FIRST = "it is read again before it is sent again"
_EMPTY = msgspec.Raw(b"{}")
_GRANT_TROUBLE = frozenset({"IllegalRefreshToken", "AUTH_TYPE_UNSUPPORTED", "InvalidCode"})
_KEY_TROUBLE = {
    "IncompleteSignature": "correct the application's secret (LAZADA_APP_SECRET)",
    "InvalidAppKey": "correct the application's key (LAZADA_APP_KEY)",
}


def _unreadable(response: httpx.Response, where: str, repeatable: bool) -> Exception:
    """An answer without a code: an edge's page, cut short, or changed."""
    status = response.status_code
    if status == 429:
        return Again(Throttled("HTTP 429", where=where, remedy=_NEXT_RUN), after=retry_after(response))
    if not repeatable:
        return Unanswered(f"unreadable answer (HTTP {status})", where=where, remedy=_READ_FIRST)
    if status >= 500:
        return Again(Unavailable(f"HTTP {status}", where=where, remedy=_NEXT_RUN))
    remedy = "compare the answer with the platform's documentation"
    return Again(BadResponse(f"unreadable answer (HTTP {status})", where=where, remedy=remedy))
