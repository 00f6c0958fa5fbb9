"""Live progress of jobs: a table that redraws on a terminal, one line a change elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from api.cli.report import stderr
from api.client import SummaryDelta
from api.schemas import JobView, StageView
from pipeline.job import JobState, Lane, StageState

MARKS = {
    StageState.WAITING: ("·", "dim"),
    StageState.READY: ("◦", "yellow"),
    StageState.RUNNING: ("▶", "bold cyan"),
    StageState.SPLIT: ("▶", "cyan"),
    StageState.SUCCEEDED: ("✓", "green"),
    StageState.FAILED: ("✗", "bold red"),
    StageState.CANCELLED: ("–", "dim"),
}
STYLES = {JobState.SUCCEEDED: "green", JobState.FAILED: "bold red", JobState.CANCELLED: "dim"}


@dataclass(frozen=True, slots=True)
class Watched:
    """A job, under the name its user knows it by."""

    label: str
    job_id: str


class Progress:
    """Shows jobs on standard error while they run."""

    def __init__(self, watched: Sequence[Watched], console: Console = stderr) -> None:
        self._watched = watched
        self._console = console
        # Without a refresh thread: every change is drawn by `show`.
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._said: dict[str, str] = {}
        self._jobs: Mapping[str, JobView] = {}
        self._text = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, jobs: Mapping[str, JobView]) -> None:
        """Draw the jobs as they are now; `jobs` by id."""
        self._jobs = jobs
        if self._live is not None:
            self._live.update(self._drawn(), refresh=True)
            return
        for line in self._news(jobs):
            self._console.print(line, soft_wrap=True)

    def write(self, delta: SummaryDelta) -> None:
        """Show a summary grow under its job, on a terminal; of several jobs only how they are is shown."""
        if self._live is not None and len(self._watched) == 1:
            self._text = delta.after(self._text)
            self._live.update(self._drawn(), refresh=True)

    def _drawn(self) -> RenderableType:
        table = _table(self._watched, self._jobs)
        is_written = bool(self._text) and any(not job.status.is_terminal for job in self._jobs.values())
        return Group(table, Padding(Text(self._text), (1, 0, 0, 0))) if is_written else table

    def _news(self, jobs: Mapping[str, JobView]) -> Iterable[Text]:
        for each in self._watched:
            line = _line(each.label, jobs[each.job_id])
            if self._said.get(each.job_id) != line.plain:
                self._said[each.job_id] = line.plain
                yield line


def _table(watched: Sequence[Watched], jobs: Mapping[str, JobView]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("job", "", "stages", "done", "status"):
        table.add_column(heading, header_style="dim", overflow="ellipsis", no_wrap=heading != "status")
    for each in watched:
        job = jobs[each.job_id]
        lane = "" if job.lane is Lane.NORMAL else str(job.lane)
        table.add_row(Text(each.label), Text(lane), stage_marks(job.stages), f"{job.progress:3d} %", status_line(job))
    return table


def _line(label: str, job: JobView) -> Text:
    return Text("  ").join([Text(label), stage_marks(job.stages), status_line(job)])


def stage_marks(stages: Iterable[StageView]) -> Text:
    """The stages of a run, each with a mark of its state."""
    return Text("  ").join(_stage(stage) for stage in stages)


def _stage(stage: StageView) -> Text:
    mark, style = MARKS[stage.status]
    again = f"×{stage.attempts}" if stage.attempts > 1 else ""
    parts = f" {stage.parts.done}/{stage.parts.total}" if stage.parts and stage.status is StageState.SPLIT else ""
    return Text(f"{mark} {stage.name}{parts}{again}", style=style)


def status_line(job: JobView) -> Text:
    """How a job is, and why."""
    if job.error is not None:
        return Text(f"{job.status}: {job.error.message} ({job.error.code})", style=STYLES.get(job.status, ""))
    if job.finished_at is not None:
        seconds = (job.finished_at - job.created_at).total_seconds()
        return Text(f"{job.status} in {seconds:.1f} s", style=STYLES.get(job.status, ""))
    return Text(str(job.status))
