"""Messages carry ids and claims, never payloads: what passes through the broker does not grow with the page."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from random import Random
from typing import Any

import pytest
import redis

from orchestration.streams import STREAM
from tests.support.articles import page_of
from tests.support.stack import LiveStack
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(240), pytest.mark.full]

MAX_MESSAGE_BYTES = 8 * 1024
MAX_DIFFERENCE_BYTES = 200
SMALL_CHARS, LARGE_CHARS = 5_000, 5_000_000
STAGES = ("fetch", "extract", "summarize", "store")
END_OF_RECORDING = "end of recording"
READERS: dict[bytes, Callable[[Any, bytes], Iterable[Any]]] = {
    b"list": lambda broker, key: broker.lrange(key, 0, -1),
    b"hash": lambda broker, key: broker.hvals(key),
    b"set": lambda broker, key: broker.smembers(key),
    b"zset": lambda broker, key: broker.zrange(key, 0, -1),
    b"string": lambda broker, key: [broker.get(key)],
    b"stream": lambda broker, key: [value for _, fields in broker.xrange(key) for value in fields.values()],
    b"none": lambda _broker, _key: [],  # taken meanwhile
}


def test_messages_are_as_small_for_a_page_of_five_megabytes_as_for_one_of_five_kilobytes(stack: LiveStack) -> None:
    with closing(stack.broker()) as broker, recorded(broker) as commands:
        with paused(stack.worker_pid("fetch")):
            stack.submit(text="A decoy: a paused worker may already have asked for one more message.")
            small, large = (stack.submit(html=page_of(size, Random(7))) for size in (SMALL_CHARS, LARGE_CHARS))
            until(lambda: _is_among(small, stored(broker)), within_s=10, what="the small job's message")
            until(lambda: _is_among(large, stored(broker)), within_s=10, what="the large job's message")
            assert max(map(len, stored(broker))) <= MAX_MESSAGE_BYTES
        views = stack.wait_all([small, large], within_s=90)

    assert [view["status"] for view in views] == ["succeeded", "succeeded"]
    assert len(stack.result(large)["text"]) >= LARGE_CHARS > MAX_MESSAGE_BYTES
    # How many events the keeper tells at once depends on how many jobs have ended.
    assert max(len(command) for command in commands if f" {STREAM} " not in command) <= MAX_MESSAGE_BYTES
    for stage in STAGES:
        small_bytes, large_bytes = (published_bytes(commands, job_id, stage) for job_id in (small, large))
        assert abs(large_bytes - small_bytes) < MAX_DIFFERENCE_BYTES, stage


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Keep a process from doing anything."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def recorded(broker: redis.Redis) -> Iterator[list[str]]:
    """Every command that the broker gets while the block runs, with its arguments; filled when the block ends."""
    commands: list[str] = []
    with broker.monitor() as monitor:  # type: ignore[no-untyped-call]
        yield commands
        broker.echo(END_OF_RECORDING)
        while END_OF_RECORDING not in (command := monitor.next_command()["command"]):
            commands.append(command)


def published_bytes(commands: Iterable[str], job_id: str, stage: str) -> int:
    """The size of the message that started a stage of a job."""
    # Over streams, and over lists.
    starts = ("EVALSHA", f"{{{stage}}}:pub:"), (f"LPUSH {stage}", "")
    published = [
        command for command in commands for start, key in starts if command.startswith(start) and key in command
    ]
    sizes = [len(command) for command in published if job_id in command]
    assert sizes, f"no message for {stage}"
    return max(sizes)


def stored(broker: redis.Redis) -> list[bytes]:
    """Every value the broker holds."""
    return [value for key in broker.scan_iter() for value in _values(broker, key)]


def _values(broker: redis.Redis, key: bytes) -> Iterable[Any]:
    kind: Any = broker.type(key)
    return READERS[kind](broker, key)


def _is_among(job_id: str, values: Iterable[bytes]) -> bool:
    return any(job_id.encode() in value for value in values)
