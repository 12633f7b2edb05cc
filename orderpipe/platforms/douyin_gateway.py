"""The gateway of the Douyin shop open platform (Doudian): signature, token, envelope, errors.

Source of every fact: platform documentation of Doudian, sections "Transport", "Signature v2", "Tokens" and "Errors".
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, PlatformError, Throttled, Unavailable
from orderpipe.platforms.authorisation import RenewedAuth
from orderpipe.platforms.base import Refused, Unanswered, credential
from orderpipe.platforms.http import Again, Retry, SteadyClock, endpoint, exchange, retry_after
from orderpipe.platforms.tokens import Token, TokenStore

T = TypeVar("T")
GRANTS = ("refresh", "self_use")
SIGN_METHODS = ("hmac-sha256", "md5")
NO_TOKEN = "no-token-yet"  # the platform refuses it, and a first one is asked for


def marshal(params: Mapping[str, Any]) -> str:
    """param_json: keys sorted at every level, no spaces, nothing escaped that JSON leaves alone, except the two line
    separators that the platform's own SDKs escape."""
    text = json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def sign(
    app_key: str, method: str, param_json: str, timestamp: str, secret: str, sign_method: str = "hmac-sha256"
) -> str:
    """The signature v2 of a call, lower-case hex. sign_method: hmac-sha256 or md5, which counts when none is sent."""
    text = f"app_key{app_key}method{method}param_json{param_json}timestamp{timestamp}v2"
    return _digest(f"{secret}{text}{secret}", secret, sign_method)


def spi_sign(app_key: str, param_json: str, timestamp: str, secret: str, sign_method: str = "hmac-sha256") -> str:
    """The signature of a call the platform makes to us (SPI), lower-case hex; param_json as it arrived."""
    text = f"app_key{app_key}param_json{param_json}timestamp{timestamp}"
    return _digest(f"{secret}{text}{secret}", secret, sign_method)


def is_push_signature(signature: str, app_key: str, body: str, secret: str) -> bool:
    """Whether a pushed message carries the platform's signature (header event-sign). body: as it arrived.

    SDKs disagree whether white space in the body counts: either form is accepted.
    """
    right = (hashlib.md5(f"{app_key}{form}{secret}".encode()) for form in (body, "".join(body.split())))
    return any(hmac.compare_digest(one.hexdigest().encode(), signature.encode()) for one in right)


def _digest(text: str, secret: str, sign_method: str) -> str:
    if sign_method == "md5":
        return hashlib.md5(text.encode()).hexdigest()
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def parse_time(text: str) -> datetime | None:
    """Unix seconds as aware UTC; None for 0, which stands for no time. Raises ValueError for anything else."""
    try:
        return datetime.fromtimestamp(int(text), UTC) if int(text) else None
    except (OverflowError, OSError) as error:
        raise ValueError("no time") from error


class Envelope(msgspec.Struct):
    """What every answer is wrapped in; HTTP 200 also for errors. log_id is what the platform's support asks for."""

    code: int
    msg: str | None = None
    sub_code: str | None = None
    sub_msg: str | None = None
    log_id: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")

    def __post_init__(self) -> None:
        self.sub_code = self.sub_code or ""

    def __str__(self) -> str:
        parts = [f"code {self.code}", self.sub_code, self.sub_msg or self.msg]
        if self.log_id:
            parts.append(f"log_id {self.log_id}")
        return ", ".join(part for part in parts if part)

    @property
    def is_token(self) -> bool:
        """The access token is refused in a way that a new one mends."""
        return self.code in (40003, 40004) and self.sub_code.startswith("isv.access-token-")


class AlreadyApplied(Refused):
    """The platform has carried out a request of this id before."""


class _Tokens(msgspec.Struct):
    access_token: str
    refresh_token: str = ""
    expires_in: int | None = None


def _envelope(content: bytes) -> Envelope | None:
    try:
        return msgspec.json.decode(content, type=Envelope, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


class DouyinAuth(RenewedAuth):
    """Puts the common parameters, the token and the signature of a call into its query; gets a new token.

    With token_grant self_use the shop id is what a new token is asked for with: it takes the refresh token's place.
    """

    def __init__(self, shop: Shop, tokens: TokenStore, clock: SteadyClock):
        self._app_key, self._secret = credential(shop, "app_key"), credential(shop, "app_secret")
        self._base = shop.base_url
        self._sign_method = _choice(shop, "sign_method", SIGN_METHODS)
        self._self_use = _choice(shop, "token_grant", GRANTS) == "self_use"
        if self._self_use:
            self.refresh = "shop_id"
            self._seller = credential(shop, "shop_id")
            # Asked too early, token.create gives the old token again: only an ended one is replaced.
            self.margin = timedelta(0)
            configured = shop.credentials.get("access_token", "").strip()
            shop = shop.model_copy(update={"credentials": {**shop.credentials, "access_token": configured or NO_TOKEN}})
        else:
            self.margin = timedelta(minutes=float(shop.settings.get("renew_before_minutes", 60)))
        super().__init__(shop, tokens, clock, self._app_key, self._secret)

    def signed(self, request: httpx.Request, token: Token) -> httpx.Request:
        return self._signed(request.url, request, request.content.decode(), {"access_token": token.access_token})

    def expired(self, response: httpx.Response) -> bool:
        answer = _envelope(response.content)
        return answer is not None and answer.is_token

    def renewal(self, request: httpx.Request, token: Token) -> httpx.Request:
        if self._self_use:
            path, params = "/token/create", {"code": "", "grant_type": "authorization_self", "shop_id": self._seller}
        else:
            path, params = "/token/refresh", {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
        return self._signed(httpx.URL(endpoint(self._base, path, where=self.shop_id)), request, marshal(params), {})

    def renewed(self, response: httpx.Response) -> Token:
        answer = _envelope(response.content)
        if answer and answer.code in (20000, 20001, 60000, 90000):
            raise Again(Unavailable(f"renewing the token failed (code {answer.code})", where=self.shop_id))
        if answer and answer.code != 10000:
            raise self.reauthorise(f"renewing the token was refused (code {answer.code} {answer.sub_code})")
        try:
            granted = msgspec.json.decode(answer.data if answer else b"", type=_Tokens, strict=False)
        except msgspec.MsgspecError:
            # If the platform did exchange the token, the next attempt is refused and asks for a person.
            what = "the answer to a token renewal could not be read"
            raise Again(BadResponse(what, where=self.shop_id, remedy=_NEXT_RUN, scope="shop")) from None
        refresh_token = self._seller if self._self_use else granted.refresh_token
        return self.pair(granted.access_token, refresh_token, granted.expires_in)

    def reauthorise(self, what: str) -> NeedsReauthorisation:
        remedy = (
            "authorise the application for the shop again (DOUYIN_SHOP_ID)"
            if self._self_use
            else "authorise the shop again and set its tokens (DOUYIN_ACCESS_TOKEN, DOUYIN_REFRESH_TOKEN)"
        )
        return NeedsReauthorisation(what, where=self.shop_id, remedy=remedy)

    def _signed(
        self, url: httpx.URL, request: httpx.Request, param_json: str, token: Mapping[str, str]
    ) -> httpx.Request:
        method = ".".join(url.path.rsplit("/", 2)[1:])
        timestamp = str(int(self.clock.now().timestamp()))
        query = {"app_key": self._app_key, "method": method, "timestamp": timestamp, "v": "2", **token}
        query["sign"] = sign(self._app_key, method, param_json, timestamp, self._secret, self._sign_method)
        if self._sign_method != "md5":
            query["sign_method"] = self._sign_method
        return httpx.Request(
            "POST",
            url.copy_with(params=query),
            headers={name: value for name, value in request.headers.items() if name != "content-length"},
            content=param_json.encode(),
            extensions=request.extensions,  # carries the timeouts
        )


class DouyinGateway:
    """Calls of one shop through the gateway, with the retries the documentation allows."""

    def __init__(self, shop: Shop, tokens: TokenStore, clock: Clock, http: httpx.Client, sleep: Callable[[float], Any]):
        self._shop, self._http = shop, http
        self._headers = {"Content-Type": "application/json"}
        if shop.settings.get("no_old_err_code", False):
            self._headers["x-open-no-old-err-code"] = "1"
        endpoint(shop.base_url, "", where=shop.id)
        self._auth = DouyinAuth(shop, tokens, SteadyClock(clock))
        self._retry = Retry(budget=float(shop.settings.get("throttle_budget_seconds", 60)), sleep=sleep)

    def call(self, path: str, params: Mapping[str, Any], answer: type[T], *, repeatable: bool = True) -> T:
        """Call /path with these parameters and decode the `data` of the answer.

        repeatable: whether doing it twice equals doing it once; if not, an unclear end raises Unanswered.
        Raises NeedsReauthorisation, Throttled, Unavailable, Refused (AlreadyApplied) or BadResponse after the allowed
        retries.
        """
        once: set[int] = set()
        return self._retry.run(lambda: self._attempt(path, params, answer, repeatable, once))

    def _attempt(self, path: str, params: Mapping[str, Any], answer: type[T], repeatable: bool, once: set[int]) -> T:
        where = f"{self._shop.id}, {path.strip('/')}"
        url = endpoint(self._shop.base_url, path, where=self._shop.id)
        request = self._http.build_request("POST", url, headers=self._headers, content=marshal(params).encode())
        response = exchange(self._http, request, self._auth, where=where, repeatable=repeatable)
        envelope = _envelope(response.content)
        if envelope and envelope.code != 10000:
            raise self._judge(envelope, where, repeatable, once)
        try:
            response.content.decode()  # raw slices of the answer are passed on as text
            return msgspec.json.decode(envelope.data if envelope else b"", type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _unreadable(response, where, repeatable) from None

    def _judge(self, error: Envelope, where: str, repeatable: bool, once: set[int]) -> Exception:
        """What an error code means, by the documentation's table. once: codes that were tried again already."""
        what = self._auth.redact(str(error))
        if error.is_token or (error.code == 50001 and error.sub_code.startswith("dop.token-generate-failed")):
            return self._auth.reauthorise(f"the access token is refused ({what})")
        if error.code == 60000:
            return Again(Throttled(f"calls are limited ({what})", where=where, remedy=_NEXT_RUN))
        if error.code in (20000, 20001, 50001, 90000):
            if not repeatable:
                return Unanswered(f"the platform failed ({what})", where=where, remedy=_READ_FIRST)
            failure = Unavailable(f"the platform failed ({what})", where=where, remedy=_NEXT_RUN)
            final = error.code in (50001, 90000) and error.code in once
            once.add(error.code)
            return failure if final else Again(failure)
        if error.code == 10001 and not repeatable:
            return Unanswered(f"done in part only ({what})", where=where, remedy=_READ_FIRST)
        if error.code == 10001:
            return BadResponse(f"answered in part only ({what})", where=where, remedy=_NEXT_RUN)
        return _refusal(error, what, where)


def _refusal(error: Envelope, what: str, where: str) -> PlatformError:
    """An error that the same request would meet again."""
    if error.sub_code == "isv.idempotent-id-existed":
        return AlreadyApplied(f"it has been done before ({what})", where=where, remedy="nothing is left to do")
    if error.code == 30001:
        remedy = (
            "grant the application the permission in the platform's console, then authorise the shop again and set its "
            "tokens (DOUYIN_ACCESS_TOKEN, DOUYIN_REFRESH_TOKEN)"
        )
        return NeedsReauthorisation(f"no permission ({what})", where=where, remedy=remedy)
    for name, remedy in _OUR_FAULT.items():
        if error.sub_code.startswith(name):
            return NeedsReauthorisation(f"refused ({what})", where=where, remedy=remedy)
    if error.code in _STOP:
        return Refused(f"refused ({what})", where=where, remedy=_STOP[error.code], scope="shop")
    if error.code == 70000:
        return Refused(f"the API is offline ({what})", where=where, remedy="see the platform's announcements")
    return Refused(f"refused ({what})", where=where, remedy="see the sub_code in the platform's documentation")


def _choice(shop: Shop, name: str, allowed: tuple[str, ...]) -> str:
    """A setting of the shop that is one of a few words, by default the first. Raises ConfigError for another."""
    chosen = shop.settings.get(name, allowed[0])
    if chosen not in allowed:
        remedy = f"use one of {', '.join(allowed)}"
        raise ConfigError(f"setting {name} is {chosen!r}", where=shop.id, remedy=remedy)
    return chosen


_NEXT_RUN = "the next run tries again"
_READ_FIRST = "it is read again before it is sent again"
_OUR_FAULT = {
    "isv.signature-invalid": "correct the application's key and secret (DOUYIN_APP_KEY, DOUYIN_APP_SECRET)",
    "isv.timestamp-invalid": "set this machine's clock right",
}
_STOP = {
    30002: "add this machine's address to the application's whitelist in the platform's console",
    80000: "the platform's security blocks the application: see its console",
}


def _unreadable(response: httpx.Response, where: str, repeatable: bool) -> Exception:
    """An answer that is no envelope, or not the one expected: an edge's page, cut short, or changed."""
    status = response.status_code
    if status == 429:
        return Again(Throttled("HTTP 429", where=where, remedy=_NEXT_RUN), after=retry_after(response))
    if not repeatable:
        return Unanswered(f"unreadable answer (HTTP {status})", where=where, remedy=_READ_FIRST)
    if status >= 500:
        return Again(Unavailable(f"HTTP {status}", where=where, remedy=_NEXT_RUN))
    remedy = "compare the answer with the platform's documentation"
    return Again(BadResponse(f"unreadable answer (HTTP {status})", where=where, remedy=remedy))
