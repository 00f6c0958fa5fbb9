"""The items of a batch: from the body of a request to wishes, a chunk at a time."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.dependencies import Entitlement, entitlement_of
from api.errors import Forbidden, explained
from api.keyless import is_json, is_lines
from api.parsing import parsed
from api.schemas import JobRequest
from api.schemas_batches import NDJSON, BatchHeader, BatchRequest, SourceRequest, completed
from orchestration.batches import Fault, Item, Receiver
from orchestration.orders import Order, SourceOrder
from orchestration.submit import Submission
from pipeline.batches import Batch

ITEMS_PER_CHUNK = 500
MESSAGE_CHARS = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Intake:
    """A body that is about to be read: what it says as a whole, and its items as they come."""

    header: BatchHeader
    """All but the items; a request that comes again has to say the same."""
    raw: AsyncIterator[Any]
    """An item each: what JSON made of it, or a line."""
    entitled: Entitlement
    """Raises `Forbidden` for options that the caller may not give."""
    defaults: dict[str, Any] = field(default_factory=dict)
    source: SourceRequest | None = None
    """Where the items come from, if not with the request."""

    def order(self, source: SourceRequest, tenant_id: str) -> Order:
        """A batch of what a source lists. Raises `Forbidden`."""
        wish = JobRequest.model_validate(self._completed({"url": source.url})).submission(tenant_id)
        self.entitled(wish.options)
        taken = SourceOrder(source.limit, source.since)
        return Order((wish,), is_batch=True, batch_name=self.header.name, source=taken)

    def digest(self, tenant_id: str) -> Submission | None:
        """What the job is to be like that summarizes all results, if one is asked for."""
        return self.header.digest_pattern(self.defaults, tenant_id)

    async def into(self, receiver: Receiver, tenant_id: str) -> Batch:
        """Hand all items on, chunk by chunk. When that fails the batch is known to be cut off."""
        try:
            pending: list[Any] = []
            async for item in self.raw:
                pending.append(item)
                if len(pending) == ITEMS_PER_CHUNK:
                    await run_in_threadpool(self._hand_on, receiver.take, pending, tenant_id)
                    pending = []
            return await run_in_threadpool(self._hand_on, receiver.finish, pending, tenant_id)
        except Exception:
            await run_in_threadpool(receiver.cut_off)
            raise

    def _hand_on(self, to: Callable[[Sequence[Item]], T], raw: Sequence[Any], tenant_id: str) -> T:
        return to([self._item(each, tenant_id) for each in raw])

    def _item(self, raw: Any, tenant_id: str) -> Item:
        said = raw if isinstance(raw, bytes) else json.dumps(raw, sort_keys=True).encode()
        try:
            given = json.loads(raw) if isinstance(raw, bytes) else raw
        except (ValueError, RecursionError) as error:
            return Item(said, _fault("invalid_json", f"this is not valid JSON: {error}"))
        if not isinstance(given, dict):
            return Item(said, _fault("invalid_request", "an item has to be an object"))
        try:
            request = JobRequest.model_validate(self._completed(given))
        except ValidationError as error:
            return Item(said, _fault("invalid_request", explained(error)))
        wish = request.submission(tenant_id)
        try:
            self.entitled(wish.options)
        except Forbidden as error:
            return Item(said, _fault("forbidden_scope", str(error)))
        return Item(said, wish)

    def _completed(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item with what it leaves to the batch."""
        return {"lane": self.header.lane, **completed(item, self.defaults)}


async def intake_of(request: Request, query: BatchHeader) -> Intake:
    """Begin to read a batch. Raises `RequestValidationError` or `HTTPException` for what is none."""
    content_type = request.headers.get("content-type", "")
    if is_lines(content_type):
        return Intake(query, _lines(request), entitlement_of(request))
    if is_json(content_type):
        return _of_document(await request.body(), entitlement_of(request))
    raise HTTPException(415, f"Send the batch as application/json or as {NDJSON}.")


def _of_document(body: bytes, entitled: Entitlement) -> Intake:
    asked = parsed(BatchRequest, body)
    header = asked.model_copy(update={"items": []})
    return Intake(header, _each(asked.items or ()), entitled, asked.defaults, asked.source)


async def _each(items: Sequence[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """Lines that are not blank, each as soon as it is there."""
    parts: list[bytes] = []
    async for piece in request.stream():
        parts.append(piece)
        if b"\n" in piece:
            *whole, rest = b"".join(parts).split(b"\n")
            parts = [rest]
            for line in whole:
                if line.strip():
                    yield line.strip()
    if last := b"".join(parts).strip():
        yield last


def _fault(code: str, message: str) -> Fault:
    """Half of a surrogate pair, which a field's name may have, cannot be written."""
    return Fault(code, message[:MESSAGE_CHARS].encode(errors="replace").decode())
