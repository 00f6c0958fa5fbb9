"""The items of a batch on their way out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Lines:
    """A line of JSON for each item, taken from its source while it is sent, and remembered should it be sent again.

    >>> lines = Lines({"url": f"https://example.org/{n}"} for n in range(2))
    >>> next(iter(lines))
    b'{"url": "https://example.org/0"}\\n'
    >>> len(list(lines)), len(list(lines))
    (2, 2)
    """

    def __init__(self, items: Iterable[Mapping[str, Any]]) -> None:
        self._rest = iter(items)
        self._sent: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        yield from self._sent
        for item in self._rest:
            self._sent.append(encoded(item) + b"\n")
            yield self._sent[-1]


def encoded(body: Mapping[str, Any]) -> bytes:
    """As JSON. Half of a surrogate pair is sent as it is, and refused by the service with a sentence."""
    return json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass")
