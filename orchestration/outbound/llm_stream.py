"""An answer that comes in pieces, as server-sent events: shown while it comes, and put together to what it is whole.

Servers differ. The usage comes in a last chunk without choices, in every chunk, or not at all; `[DONE]` may be missing;
an error may come in the middle.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from stages.contract import Transient

MIME_TYPE = "text/event-stream"
OVERHEAD = 8
"""How many times as large as its text a stream may be: each token comes in a chunk of its own."""
MAX_LINE_BYTES = 1024 * 1024
DONE = b"[DONE]"
BROKE_OFF = "The language model's answer broke off."


class _Delta(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: Any = None
    error: Any = None


class Pieces:
    """What has come of one answer."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        """`on_text` is given each piece of the text."""
        self._on_text = on_text
        self._said: dict[str, list[str]] = {"content": [], "refusal": []}
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._usage: Any = None

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self._said["content"])

    def read(self, chunks: Iterable[bytes]) -> bytes:
        """The answer as it would have come whole.

        Raises `Transient`: `llm_bad_answer` for what cannot be read, `llm_unavailable` for a stream that breaks off or
        reports an error.
        """
        is_done = False
        for data in events_in(chunks):
            if data.startswith(DONE):
                is_done = True
                break
            self._take(_chunk(data))
        if not is_done and self._finish_reason is None:
            raise Transient("llm_unavailable", BROKE_OFF)
        return self._whole()

    def _take(self, chunk: _Chunk) -> None:
        if chunk.error is not None:
            raise Transient("llm_unavailable", "The language model's endpoint gave up in the middle of its answer.")
        self._model = chunk.model or self._model
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices or ():
            if choice.index == 0:
                self._add(choice)

    def _add(self, choice: _Choice) -> None:
        self._finish_reason = choice.finish_reason or self._finish_reason
        delta = choice.delta or _Delta()
        if delta.refusal:
            self._said["refusal"].append(delta.refusal)
        if delta.content:
            self._said["content"].append(delta.content)
            self._on_text(delta.content)

    def _whole(self) -> bytes:
        message = {name: "".join(said) or None for name, said in self._said.items()}
        choices = [{"message": message, "finish_reason": self._finish_reason}]
        return json.dumps({"choices": choices, "model": self._model, "usage": self._usage}).encode()


def events_in(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""The data of each event, also of one that the end cuts short of its empty line. Raises `Transient`.

    >>> list(events_in([b": wait\n\ndata: {}\r\n\r\nda", b"ta:[DONE]"]))
    [b'{}', b'[DONE]']
    """
    data: list[bytes] = []
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            data.append(line.removeprefix(b"data:").removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []
    if data:
        yield b"\n".join(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise Transient("llm_bad_answer")
        for line in lines:
            yield line.removesuffix(b"\r")
    if rest:
        yield rest.removesuffix(b"\r")


def _chunk(data: bytes) -> _Chunk:
    try:
        return _Chunk.model_validate_json(data)
    except ValidationError:
        raise Transient("llm_bad_answer") from None
