"""A million messages through one queue, each acknowledged, and what the server keeps of them: nothing.

Bare kombu, one process that publishes and one that consumes, since Celery would take an hour. The publisher waits
while the queue is long, so that the peak says something.

    python -m tests.benchmarks.transport.memory
    python -m tests.benchmarks.transport.memory --transports lists streams --messages 100000
"""

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu import Connection, Consumer, Message, Queue

from tests.benchmarks.transport import report, rig

BODY = {"text": "x" * 200}
LONGEST_QUEUE = 20_000
CHECK_EVERY = 1_000
PREFETCH = 100
WARM_UP = 50_000
"""Until the server has every script and the structures of its own that it keeps for good, about 100 KiB."""
SETTLES_WITHIN_S = 60


def main() -> None:
    arguments = _arguments()
    with rig.server() as broker:
        figures = [_measure(broker, transport, arguments.messages) for transport in arguments.transports]
    report.print_table(figures)
    report.write_json(arguments.json, figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--transports", nargs="+", choices=rig.TRANSPORTS, default=["streams"])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _measure(broker: rig.Server, transport: str, messages: int) -> dict[str, Any]:
    broker.client.flushall()
    with rig.create_app(broker.url, transport).connection() as connection:
        _pass_through(broker, transport, connection, WARM_UP)
        baseline, began = _settled_memory(broker), time.monotonic()
        peak = _pass_through(broker, transport, connection, messages)
        took_s, after = time.monotonic() - began, _settled_memory(broker)
        return {
            "transport": transport,
            "messages": messages,
            "messages_per_s": messages / took_s,
            "baseline_kib": baseline / 1024,
            "peak_kib": peak / 1024,
            "after_kib": after / 1024,
            "grown_kib": (after - baseline) / 1024,
            "left": _left(broker),
        }


def _pass_through(broker: rig.Server, transport: str, connection: Connection, messages: int) -> int:
    """Publish and consume; returns the most bytes that the server used."""
    received, peak = 0, 0

    def on_message(message: Message) -> None:
        nonlocal received, peak
        message.ack()
        received += 1
        if received % CHECK_EVERY == 0:
            peak = max(peak, _used(broker))

    queue = Queue(rig.QUEUE, routing_key=rig.QUEUE)
    with (
        _publisher(broker.url, transport, messages),
        connection.channel() as channel,
        Consumer(channel, [queue], on_message=on_message) as consumer,
    ):
        consumer.qos(prefetch_count=PREFETCH)
        while received < messages:
            connection.drain_events(timeout=30)
    return peak


@contextmanager
def _publisher(url: str, transport: str, messages: int) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=_publish, args=(url, transport, messages))
    process.start()
    try:
        yield
    finally:
        process.join(30)
        process.kill()


def _publish(url: str, transport: str, messages: int) -> None:
    queue = Queue(rig.QUEUE, routing_key=rig.QUEUE)
    with rig.create_app(url, transport).connection() as connection, connection.channel() as channel:
        producer, declared = connection.Producer(channel), queue(channel)
        declared.declare()
        for number in range(messages):
            if number % CHECK_EVERY == 0:
                while declared.queue_declare().message_count > LONGEST_QUEUE:
                    time.sleep(0.05)
            producer.publish(BODY, routing_key=rig.QUEUE, serializer="json")


def _settled_memory(broker: rig.Server) -> int:
    """The memory in use once it has stopped falling and no log is being rewritten."""
    give_up_at, lowest = time.monotonic() + SETTLES_WITHIN_S, _used(broker)
    while time.monotonic() < give_up_at:
        time.sleep(2)
        used = _used(broker)
        if used >= lowest and not broker.client.info("persistence")["aof_rewrite_in_progress"]:
            break
        lowest = min(lowest, used)
    return lowest


def _used(broker: rig.Server) -> int:
    return int(broker.client.info("memory")["used_memory"])


def _left(broker: rig.Server) -> dict[str, int]:
    """What each stream and list still holds; for streams also what was delivered and not acknowledged."""
    client, left = broker.client, {}
    for key in sorted(client.scan_iter(count=1000)):
        kind = client.type(key)
        if kind == "stream":
            left[key] = client.xlen(key) + sum(group["pending"] for group in client.xinfo_groups(key))
        elif kind in ("list", "zset", "hash"):
            left[key] = {"list": client.llen, "zset": client.zcard, "hash": client.hlen}[kind](key)
    return {key: count for key, count in left.items() if count}


if __name__ == "__main__":
    main()
