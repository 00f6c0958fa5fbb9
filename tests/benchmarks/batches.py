"""Batches: items accepted a second over HTTP, and jobs launched a second by a keeper's turns.

Accepting is measured on the whole stack with no-op stages, whose workers begin to run the jobs meanwhile. Launching is
measured apart, on a broker of its own and SQLite without workers, in full turns one after the other; the keeper has ten
a second, as far as they are so short.

    python -m tests.benchmarks.batches --items 10000 --rounds 3
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from orchestration.batches import Item
from orchestration.embedded.server import find_server
from orchestration.launcher import LAUNCHES_PER_TURN, Launcher
from orchestration.settings import Settings
from orchestration.storage.migrate import migrate
from orchestration.submit import Submission
from orchestration.wiring import Wiring
from pipeline.job import DEFAULT_TENANT, Lane
from tests.support.brokers import Broker
from tests.support.stack import LiveStack, live_stack

NOOP = "tests.benchmarks.noop:CATALOG"
LAUNCH_TURNS = 2


def main() -> None:
    arguments = _arguments()
    with live_stack(catalog=NOOP, io_concurrency=16, log_level="warning") as stack:
        for kind, media in (("lines", "application/x-ndjson"), ("document", "application/json")):
            rates = [_accepted_per_s(stack, kind, media, arguments.items) for _ in range(arguments.rounds)]
            print(f"accepted, as {kind}: {statistics.median(rates):.0f} items a second, of {_spread(rates)}")
    turns = [turn_s for _ in range(arguments.rounds) for turn_s in _turns_s()]
    print(f"a turn of {LAUNCHES_PER_TURN} launches: {statistics.median(turns):.2f} s, of {_spread(turns, 2)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _accepted_per_s(stack: LiveStack, kind: str, media: str, items: int) -> float:
    """Sent, and cancelled again, so that every round finds an idle stack."""
    wishes = [{"url": f"https://example.org/{number}", "pipeline": "noop"} for number in range(items)]
    body = "\n".join(map(json.dumps, wishes)) if kind == "lines" else json.dumps({"items": wishes})
    started = time.monotonic()
    answer = stack.client.post("/v1/batches", content=body, headers={"Content-Type": media}, timeout=120)
    took_s = time.monotonic() - started
    assert answer.json()["accepted"] == items, answer.text
    url = answer.json()["url"]
    stack.client.delete(url, timeout=120)
    while stack.client.get(url).json()["status"] != "cancelled":
        time.sleep(0.5)
    return items / took_s


def _turns_s() -> list[float]:
    with tempfile.TemporaryDirectory(prefix="pb") as folder, Broker(find_server(), Path(folder)) as broker:
        settings = Settings(data_dir=Path(folder), catalog=NOOP, broker_url=SecretStr(broker.url))
        migrate(settings.sql_url)
        return _launched(settings)


def _launched(settings: Settings) -> list[float]:
    with closing(Wiring(settings)) as wiring:
        _receive(wiring, LAUNCHES_PER_TURN * LAUNCH_TURNS)
        launcher = wiring.launcher()
        return [_timed(launcher) for _ in range(LAUNCH_TURNS)]


def _receive(wiring: Wiring, jobs: int) -> None:
    wish = Submission(url="about:blank", pipeline="noop", lane=Lane.BULK)
    wiring.batches.open(DEFAULT_TENANT, None).finish([Item(b"", wish)] * jobs)


def _timed(launcher: Launcher) -> float:
    started = time.monotonic()
    assert launcher.turn() == LAUNCHES_PER_TURN
    return time.monotonic() - started


def _spread(values: list[float], digits: int = 0) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in sorted(values))


if __name__ == "__main__":
    main()
