"""An OpenAI-compatible endpoint on loopback that can be told to fail in every way that was seen in the wild.

    with openai_server() as server:
        server.on(CHAT, refusal(), answer("A summary."))
        OpenAiChat(base_url=server.url("/v1"), ...)

In a process of its own: `python -m tests.support.openai_server [--port 0]`, then `RemoteOrigin(url).on(CHAT, ...)`.
"""

import json
import re
from dataclasses import replace
from typing import Any

from tests.support.origin import Origin, Reply, main

CHAT = "/v1/chat/completions"
SUMMARY = "The gate stayed shut all winter. In spring the water came back. Nobody had missed the noise."


def answer(text: str | None = SUMMARY, *, finish_reason: str = "stop", usage: bool = True, **message: Any) -> Reply:
    """A well-formed completion."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
    return completion([choice], {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18} if usage else None)


def completion(choices: Any, usage: dict[str, int] | None = None) -> Reply:
    """A 200 that looks like a completion, around whatever choices."""
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "local-model", "choices": choices}
    return as_json(body | {"usage": usage})


def streamed(
    text: str = SUMMARY, *, usage: bool = True, finish_reason: str | None = "stop", done: bool = True
) -> Reply:
    """The same in pieces, a word each, as most servers send it."""
    deltas: list[dict[str, str]] = [{"role": "assistant"}, *({"content": word} for word in re.findall(r"\s*\S+", text))]
    choices: list[list[Any]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": finish_reason}])
    told = [
        {"id": "c1", "object": "chat.completion.chunk", "model": "local-model", "choices": each} for each in choices
    ]
    if usage:
        told.append({"id": "c1", "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}})
    return as_stream(*map(json.dumps, told), *(["[DONE]"] if done else []))


def as_stream(*data: str) -> Reply:
    """Server-sent events with these data."""
    body = "".join(f"data: {each}\n\n" for each in data)
    return Reply(body=body, content_type="text/event-stream; charset=utf-8")


def as_json(body: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status=status, body=json.dumps(body), content_type="application/json", headers=headers)


def failure(status: int, message: str = "told to fail", **headers: str) -> Reply:
    """An error in the API's own format. Header names take underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(as_json({"error": {"message": message, "type": "x", "code": None}}, status), headers=named)


def refusal() -> Reply:
    return answer(None, refusal="I cannot help with that.")


def filtered() -> Reply:
    return answer("", finish_reason="content_filter")


GARBAGE: dict[str, Reply] = {
    "choices are null": completion(None),
    "no choices": completion([]),
    "message is null": completion([{"index": 0, "finish_reason": "stop", "message": None}]),
    "content is null": answer(None),
    "content is blank": answer(" \n"),
    "content is a number": completion([{"index": 0, "message": {"role": "assistant", "content": 7}}]),
    "bare string": as_json("hello"),
    "a list": as_json([1, 2]),
    "not JSON": Reply(body="<html>Welcome to the gateway</html>", content_type="text/html"),
    "broken JSON": Reply(body='{"choices": [', content_type="application/json"),
    "not UTF-8": Reply(raw=b'{"choices": "\xff\xfe"}', content_type="application/json"),
    "nothing": Reply(body="", content_type="application/json"),
}


def openai_server(port: int = 0) -> Origin:
    """A server that answers everything with the same completion until it is told otherwise."""
    return Origin(port=port, default=answer())


if __name__ == "__main__":
    main(openai_server)
