"""The results of a batch on their way in."""

from collections.abc import Iterator
from typing import Any

from api.client.calls import results_url
from api.client.core import Core
from api.client.errors import UnexpectedAnswer
from api.client.streaming import Stream
from api.schemas_batches import NDJSON, BatchResult


class Results(Stream[BatchResult]):
    """Where one reader of results is. When a connection breaks it goes on with the item after the last one."""

    media_type = NDJSON

    def __init__(self, core: Core, batch_id: str) -> None:
        super().__init__(core)
        self._batch_id = batch_id
        self._seen = -1
        self._parts: list[bytes] = []

    def request(self) -> dict[str, Any]:
        """How to connect: the results come from the beginning each time."""
        self._parts = []
        headers = {"Accept": NDJSON}
        return {
            "method": "GET",
            "url": results_url(self._batch_id),
            "headers": headers,
            "timeout": self._core.timeout_s,
        }

    def take(self, chunk: bytes) -> Iterator[BatchResult]:
        """The results that are complete with these bytes and were not seen before."""
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            result = self._read(b"".join((*self._parts, line)))
            self._parts = []
            if result.index > self._seen:
                self._seen = result.index
                self._failures = 0
                yield result
        self._parts.append(rest)

    def closed(self) -> None:
        """All that have ended by now have come."""
        if any(self._parts):
            raise UnexpectedAnswer("the results of the batch end within a line")
        self.is_over = True

    def _read(self, line: bytes) -> BatchResult:
        try:
            return BatchResult.model_validate_json(line)
        except ValueError as error:
            raise UnexpectedAnswer("a result of the batch that cannot be read") from error
