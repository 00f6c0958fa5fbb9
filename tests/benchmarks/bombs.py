"""How each hostile answer of the table ends, how long it takes, and what it costs others.

    python -m tests.benchmarks.bombs

Prints a table: the answer, how it ended, seconds until then, and the slowest of the ordinary pages that were read
beside it, one after the other, through the same two parsing children.
"""

import threading
import time
from ipaddress import ip_network

from orchestration.outbound.http import GuardedHttp
from orchestration.outbound.isolation import ProcessIsolation
from pipeline.clock import SystemClock
from stages.contract import Scope, Source, StageError
from stages.extract import extract
from stages.fetch import fetch
from tests.support.bombs import PAGE, Minefield, bombs
from tests.support.tools import make_tools

CLOCK = SystemClock()
HTTP = GuardedHttp(user_agent="benchmark", allow_networks=[ip_network("127.0.0.0/8")])


def read(source: Source, isolation: ProcessIsolation) -> str:
    tools = make_tools(http=HTTP, isolate=isolation, clock=CLOCK, scope=Scope(CLOCK, CLOCK.monotonic() + 60))
    try:
        article = extract.run(fetch.run(source, tools), tools)
    except StageError as error:
        return error.code
    return " ".join((f"{article.word_count} words", *article.warnings))


def main() -> None:
    table = bombs()
    isolation = ProcessIsolation(max_workers=2, preload=("stages.extraction.article",))
    isolation.start()
    innocent = Source(body=PAGE.encode(), content_type="text/html")
    read(innocent, isolation)
    print("| answer | ended | s | slowest page beside it, s |\n|---|---|---|---|")
    with Minefield(table) as minefield:
        for bomb in table:
            beside, is_over = [0.0], threading.Event()
            neighbour = threading.Thread(target=_keep_reading, args=(innocent, isolation, beside, is_over))
            neighbour.start()
            began = time.monotonic()
            ended = read(Source(url=minefield.url(bomb)), isolation)
            took_s = time.monotonic() - began
            is_over.set()
            neighbour.join()
            print(f"| {bomb.name} | {ended} | {took_s:.1f} | {max(beside):.1f} |", flush=True)
    isolation.close()


def _keep_reading(source: Source, isolation: ProcessIsolation, took_s: list[float], is_over: threading.Event) -> None:
    while not is_over.is_set():
        began = time.monotonic()
        read(source, isolation)
        took_s.append(time.monotonic() - began)
        is_over.wait(0.2)


if __name__ == "__main__":
    main()
