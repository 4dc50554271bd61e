"""AWS Signature Version 4, as a service checks it: who signed a request, over what, and when.

A request may be sent again for as long as its date holds, as with AWS: what is signed is what is done, and writes that
must not happen twice are conditional. Nobody but root and the user can listen on loopback.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from local_runtime.store.door import Request
from local_runtime.store.faults import Fault
from local_runtime.store.key import Key

SKEW_SECONDS = 300
"""How far the date of a request may be from our clock, either way; DynamoDB's own."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_NAMESPACE = "com.amazon.coral.service"
_SCOPE = re.compile(r"([^/]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs"}


class Signatures:
    """Checks requests against the one key of this store; `now` is the time in seconds since 1970."""

    def __init__(self, key: Key, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now
        self._signing_key = lru_cache(maxsize=16)(self._derived)

    def check(self, request: Request) -> None:
        """Raise Fault, in AWS's words, unless the owner of the key has signed exactly this request just now."""
        given = _parts(request.headers.get("authorization", ""))
        found = _SCOPE.fullmatch(given["Credential"])
        if found is None:
            raise _refusal(
                "IncompleteSignatureException", "Credential must be KEY/yyyymmdd/region/service/aws4_request"
            )
        name, day, region, service = found.groups()
        if not self._key.is_named(name):
            raise _refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
        signed = given["SignedHeaders"].split(";")
        self._check_scope(request, service, signed)
        date = request.headers["x-amz-date"]
        self._check_date(date, day)
        text = "\n".join(
            (_ALGORITHM, date, f"{day}/{region}/{service}/aws4_request", _hash(_canonical(request, signed)))
        )
        expected = hmac.new(self._signing_key(day, region, service), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), given["Signature"].encode()):
            raise _refusal(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
            )

    def _check_scope(self, request: Request, service: str, signed: list[str]) -> None:
        """What decides about the meaning of a request must be signed, or it could be given another one."""
        headers = request.headers
        must = {"host", "x-amz-date", *(name for name in headers if name.startswith("x-amz-"))}
        missing = sorted(must.difference(signed)) + sorted(name for name in signed if name not in headers)
        if missing or signed != sorted(set(signed)):
            raise _refusal("IncompleteSignatureException", f"these headers must be there and signed: {missing}")
        target = headers.get("x-amz-target", "").partition(".")[0]
        if _SERVICES.get(target, service) != service:
            raise _refusal("InvalidSignatureException", f"Credential should be scoped to correct service: {target!r}")

    def _check_date(self, date: str, day: str) -> None:
        try:
            if not _DATE.fullmatch(date):
                raise ValueError(date)
            at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise _refusal("IncompleteSignatureException", "X-Amz-Date must be like 20260131T235959Z") from None
        if not date.startswith(day):
            raise _refusal("InvalidSignatureException", f"Date in Credential scope does not match X-Amz-Date: {date}")
        late = self._now() - at
        if abs(late) > SKEW_SECONDS:
            state = "expired" if late > 0 else "not yet current"
            raise _refusal(
                "InvalidSignatureException", f"Signature {state}: {date} is {abs(late):.0f} s from our clock"
            )

    def _derived(self, day: str, region: str, service: str) -> bytes:
        key = b"AWS4" + self._key.secret.encode()
        for part in (day, region, service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key


def _parts(authorization: str) -> dict[str, str]:
    algorithm, _, rest = authorization.partition(" ")
    if not authorization:
        raise _refusal("MissingAuthenticationTokenException", "Request is missing Authentication Token")
    given = dict.fromkeys(("Credential", "SignedHeaders", "Signature"), "")
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name in given:
            given[name] = value
    if algorithm != _ALGORITHM or not all(given.values()):
        raise _refusal(
            "IncompleteSignatureException",
            f"Authorization must be {_ALGORITHM} with Credential, SignedHeaders, Signature",
        )
    return given


def _canonical(request: Request, signed: list[str]) -> bytes:
    """What was signed. There is never a query: the door knows no path with one."""
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed)
    head = "\n".join((request.method, quote(request.path, safe="/~"), "", headers, ";".join(signed), ""))
    return head.encode() + hashlib.sha256(request.body).hexdigest().encode()


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _refusal(kind: str, message: str) -> Fault:
    return Fault(kind, message, namespace=_NAMESPACE)
