"""`penstock watch` on a terminal: the whole system on one screen, drawn anew each second."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from api.cli.event_lines import line
from api.cli.operating_rows import BREAKER_HEADINGS, QUEUE_HEADINGS, breaker_row, queue_row
from api.cli.service import Address
from api.cli.tables import table_of
from api.client import AsyncPenstock, StreamEvent
from api.client.errors import Forbidden
from api.schemas_breakers import BreakerView
from api.schemas_queues import QueueView, WorkerView

REDRAW_S = 1.0
OPERATORS_ONLY = "The key in use may not see queues, workers and breakers; they need the scope admin."


@dataclass(slots=True)
class Overview:
    """What is on the screen."""

    height: int
    """Lines of the screen."""
    queues: Sequence[QueueView] = ()
    workers: Sequence[WorkerView] = ()
    breakers: Sequence[BreakerView] = ()
    is_operators: bool = True
    """Whether the key in use may see more than jobs."""
    events: deque[StreamEvent] = field(default_factory=lambda: deque(maxlen=500))

    def draw(self) -> RenderableType:
        """Tables first, then as many of the latest events as there is room for."""
        parts = [*self._operation(), Text()]
        room = max(1, self.height - sum(_lines(part) for part in parts) - 1)
        latest = list(self.events)[-room:]
        return Group(*parts, *(_cut(line(event)) for event in latest))

    def _operation(self) -> list[RenderableType]:
        if not self.is_operators:
            return [_cut(Text(OPERATORS_ONLY, style="dim"))]
        tables: list[RenderableType] = [_cut(self._headline()), table_of(QUEUE_HEADINGS, map(queue_row, self.queues))]
        if self.breakers:
            tables += [Text(), table_of(BREAKER_HEADINGS, map(breaker_row, self.breakers))]
        return tables

    def _headline(self) -> Text:
        waiting = sum(queue.waiting for queue in self.queues)
        running = sum(queue.running for queue in self.queues)
        paused = [queue.stage for queue in self.queues if queue.paused]
        unserved = [queue.stage for queue in self.queues if not queue.workers]
        facts = [f"{len(self.workers)} workers, {running} running, {waiting} waiting"]
        facts += [f"paused: {', '.join(paused)}"] if paused else []
        facts += [f"without a worker: {', '.join(unserved)}"] if unserved else []
        return Text("  ·  ".join(facts), style="bold yellow" if len(facts) > 1 else "bold")


def watch_system(address: Address, console: Console) -> None:
    """Draw queues, workers, breakers and the latest events until Ctrl-C. Raises `PenstockError`."""
    asyncio.run(_watch(address, console))


async def _watch(address: Address, console: Console) -> None:
    overview = Overview(console.height)
    async with AsyncPenstock(**address) as penstock:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            await asyncio.gather(_listen(penstock, overview), _redraw(penstock, overview, live))


async def _listen(penstock: AsyncPenstock, overview: Overview) -> None:
    async for event in penstock.iter_events():
        overview.events.append(event)


async def _redraw(penstock: AsyncPenstock, overview: Overview, live: Live) -> None:
    while True:
        await _look(penstock, overview)
        overview.height = live.console.height
        live.update(overview.draw(), refresh=True)
        await asyncio.sleep(REDRAW_S)


async def _look(penstock: AsyncPenstock, overview: Overview) -> None:
    if not overview.is_operators:
        return
    try:
        overview.queues = (await penstock.queues()).items
        overview.workers = (await penstock.workers()).items
        overview.breakers = (await penstock.breakers()).items
    except Forbidden:
        overview.is_operators = False


def _lines(part: RenderableType) -> int:
    return getattr(part, "row_count", 0) + 1


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
