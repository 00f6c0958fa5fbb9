"""`Idempotency-Key`: a request may be sent again when no answer came (draft-ietf-httpapi-idempotency-key-header)."""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel

from api.dependencies import Services, Tenant
from api.errors import BadRequest
from orchestration.wiring import Wiring
from pipeline.idempotency import IdempotencyKey

HEADER = "Idempotency-Key"
QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\]){1,255})"')
"""A string of RFC 9651, without spaces."""
BARE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~:/-]{1,255}")
"""A token of RFC 9651, which may begin with a digit here, as a UUID does."""

Given = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="Any text that is new for every new request, such as a UUID; 1 to 255 visible ASCII characters, "
        "quoted or not. The same request with the same key is answered again for 24 hours, and nothing is done again.",
    ),
]


@dataclass(frozen=True, slots=True)
class RepeatableRequest:
    """A request that may come with a key."""

    services: Wiring
    tenant: str
    method: str
    path: str
    name: str | None

    def key(self, body: BaseModel | None = None) -> IdempotencyKey | None:
        """The key for what is asked, if there is one.

        Raises `AlreadyAnswered` or `IdempotencyKeyReused` when it was used before. Asked before anything is done, so
        that what was answered once is answered again whatever has become of the job.
        """
        key = self.unchecked(body)
        if key is not None:
            self.services.records.check_key(key, self.services.clock.now())
        return key

    def unchecked(self, body: BaseModel | None) -> IdempotencyKey | None:
        """The key for what is asked, whether it was used before or not."""
        if self.name is None:
            return None
        return IdempotencyKey(self.tenant, self.name, fingerprint(self.method, self.path, body))


def repeatable(request: Request, services: Services, tenant: Tenant, given: Given = None) -> RepeatableRequest:
    """A request with its key. Raises `BadRequest` for what is no key."""
    if len(request.headers.getlist(HEADER)) > 1:
        raise BadRequest("invalid_idempotency_key", f"Send one {HEADER}, not several.")
    name = None if given is None else name_in(given)
    return RepeatableRequest(services, tenant, request.method, request.url.path, name)


def name_in(header: str) -> str:
    r"""The name that a header gives, quoted or not.

    >>> name_in('"a\\"b"'), name_in("8e03978e-40d5-43dd"), name_in('"8e03978e-40d5-43dd"')
    ('a"b', '8e03978e-40d5-43dd', '8e03978e-40d5-43dd')
    """
    if quoted := QUOTED.fullmatch(header):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if BARE.fullmatch(header):
        return header
    detail = f'{HEADER} has to be 1 to 255 visible ASCII characters, such as a UUID, in double quotes: "8e03978e-40d5".'
    raise BadRequest("invalid_idempotency_key", detail)


def fingerprint(method: str, path: str, body: BaseModel | None) -> str:
    """SHA-256 of a request, in hex; the same for two ways to write the same request."""
    asked = None if body is None else body.model_dump(mode="json", exclude_defaults=True)
    return sha256(json.dumps([method, path, asked], sort_keys=True).encode()).hexdigest()


Repeatable = Annotated[RepeatableRequest, Depends(repeatable)]
