"""`penstock queues`, `workers` and `breakers`: what waits, who works, what is left alone, and changing that."""

from collections.abc import Sequence
from contextlib import closing

from pydantic import BaseModel

from api.cli.opening import opened
from api.cli.operating_rows import BREAKER_HEADINGS, QUEUE_HEADINGS, breaker_row, queue_row
from api.cli.report import note
from api.cli.tables import moment, print_table
from api.schemas_breakers import BreakerView
from api.schemas_queues import PauseView, QueueView, WorkerView
from orchestration.outbound.breakers_overview import Breaker, dependency_of
from orchestration.settings import Settings


def list_queues(settings: Settings, *, as_json: bool) -> None:
    """Print what waits at each stage. Raises `MachineryFailed` when the broker or the database is down."""
    with closing(opened(settings)) as wiring:
        queues = [QueueView.of(state) for state in wiring.queue_desk.states()]
    if as_json:
        _print_json(queues)
        return
    print_table(QUEUE_HEADINGS, map(queue_row, queues))


def pause_queue(settings: Settings, stage: str, *, as_json: bool) -> None:
    """Pause a stage. Raises `UnknownStage`."""
    with closing(opened(settings)) as wiring:
        paused = PauseView.since(stage, wiring.queue_desk.pause(stage))
    if as_json:
        _print_json([paused])
    else:
        note(f"{stage} is paused: its workers finish what they run and begin nothing new")


def resume_queue(settings: Settings, stage: str, *, as_json: bool) -> None:
    """Resume a stage. Raises `UnknownStage`."""
    with closing(opened(settings)) as wiring:
        wiring.queue_desk.resume(stage)
    if as_json:
        _print_json([PauseView.since(stage, None)])
    else:
        note(f"{stage} is not paused")


def list_workers(settings: Settings, *, as_json: bool) -> None:
    """Print the workers that live."""
    with closing(opened(settings)) as wiring:
        workers = [WorkerView.of(busy) for busy in wiring.queue_desk.workers()]
    if as_json:
        _print_json(workers)
        return
    rows = [
        (each.name, ", ".join(each.stages), each.pid, each.running, moment(each.started_at), moment(each.seen_at))
        for each in workers
    ]
    print_table(("worker", "stage", "pid", "running", "started", "seen"), rows)


def list_breakers(settings: Settings, *, as_json: bool) -> None:
    """Print the circuit breakers that are open or have counted a failure. Raises `BrokerUnavailable`."""
    with closing(opened(settings)) as wiring:
        found = wiring.breaker_desk.breakers()
    _print_breakers(found, as_json=as_json)


def open_breaker(settings: Settings, breaker: str, for_s: float, *, as_json: bool) -> None:
    """Keep all workers from a dependency for a while. Raises `BrokerUnavailable`."""
    with closing(opened(settings)) as wiring:
        _print_breakers([wiring.breaker_desk.open(dependency_of(breaker), for_s)], as_json=as_json)


def reset_breaker(settings: Settings, breaker: str, *, as_json: bool) -> None:
    """Let the workers call again. Raises `BreakerNotFound` or `BrokerUnavailable`."""
    with closing(opened(settings)) as wiring:
        _print_breakers([wiring.breaker_desk.reset(dependency_of(breaker))], as_json=as_json)


def _print_breakers(found: Sequence[Breaker], *, as_json: bool) -> None:
    breakers = [BreakerView.of(breaker) for breaker in found]
    if as_json:
        _print_json(breakers)
        return
    print_table(BREAKER_HEADINGS, map(breaker_row, breakers))


def _print_json(views: Sequence[BaseModel]) -> None:
    """One a line."""
    for view in views:
        print(view.model_dump_json())
