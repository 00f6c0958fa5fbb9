"""What `penstock watch` draws of the whole system."""

from io import StringIO

from rich.console import Console

from api.cli.overview import OPERATORS_ONLY, Overview
from api.client import Gap
from api.schemas_breakers import EXAMPLE, BreakerView
from api.schemas_queues import QUEUE, WORKER, QueueView, WorkerView

PAUSED = QueueView(**QUEUE)
OPEN = QueueView(**QUEUE | {"stage": "store", "paused": False, "paused_at": None, "workers": 0})


def drawn(overview: Overview, width: int = 110) -> list[str]:
    out = StringIO()
    Console(file=out, width=width, height=overview.height, highlight=False).print(overview.draw())
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_headline_says_what_is_not_as_it_should_be():
    headline, headings, paused, unserved, *_ = drawn(Overview(20, [PAUSED, OPEN], [WorkerView(**WORKER)]))
    assert headline == "1 workers, 2 running, 86 waiting  ·  paused: summarize  ·  without a worker: store"
    assert headings.split()[:3] == ["stage", "state", "workers"]
    assert paused.split()[:3] == ["summarize", "paused", "2"]
    assert unserved.split()[:3] == ["store", "open", "0"]


def test_breakers_are_drawn_where_there_are_any():
    assert not any("breaker" in line for line in drawn(Overview(20, [OPEN])))
    assert any("origin:example.org:443" in line for line in drawn(Overview(20, [OPEN], (), [BreakerView(**EXAMPLE)])))


def test_the_latest_events_fill_what_is_left_of_the_screen_a_line_each():
    overview = Overview(12, [PAUSED, OPEN])
    overview.events.extend(Gap(message=f"number {number} {'long ' * 40}") for number in range(50))
    lines = drawn(overview)
    assert len(lines) <= overview.height
    assert "number 49" in lines[-1]
    assert lines[-1].endswith("…")


def test_a_key_that_may_not_see_queues_sees_events():
    overview = Overview(10, is_operators=False)
    overview.events.append(Gap(message="some are missing"))
    first, *_, last = drawn(overview)
    assert first == OPERATORS_ONLY
    assert "some are missing" in last
