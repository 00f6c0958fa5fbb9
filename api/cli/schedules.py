"""`penstock schedule`: what a running service submits at times given once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from api.cli.batch_input import read_lines
from api.cli.report import complain, note
from api.cli.tables import moment, print_table
from api.cli.terms import Terms, moment_of, refuse
from api.client import JobFields, Penstock, ScheduleFields
from api.schemas import MAX_PAGE
from api.schemas_schedules import FiringErrorView, FiringView, ScheduleSummary, ScheduleView

HEADINGS = ("schedule", "status", "next at", "times", "last error", "name")
RUN_HEADINGS = ("fired at", "due at", "job or batch", "error")
BY_HAND = "by hand"

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks for; None is what it does not say."""

    name: str
    url: str | None
    batch: str | None
    """A file with the items, instead of a URL."""
    times: Mapping[str, Any]
    starts_at: str | None
    ends_at: str | None
    options: Mapping[str, Any]
    terms: Terms

    def schedule(self) -> ScheduleFields:
        """The schedule to be made. Raises `OSError`, and ends the program for what is not valid."""
        if (self.url is None) == (self.batch is None):
            raise refuse("give a URL or --batch FILE")
        bounds = {"starts_at": self.starts_at, "ends_at": self.ends_at}
        moments = {
            name: moment_of(f"--{name.replace('_', '-')}", text) for name, text in bounds.items() if text is not None
        }
        return cast("ScheduleFields", {"name": self.name, **_given(self.times), **moments, **self._submits()})

    def _submits(self) -> ScheduleFields:
        options = cast("JobFields", {**_given(self.options), **self.terms.fields()})
        if self.batch is not None:
            items = [line.item for line in read_lines(self.batch, options)]
            return {"batch": {"name": self.name, "items": items}}
        return {"job": cast("JobFields", {**options, "url": self.url})}


def create_schedule(penstock: Penstock, plan: Plan, *, as_json: bool) -> None:
    """Make it and print its id."""
    made = penstock.create_schedule(**plan.schedule())
    print(made.model_dump_json() if as_json else made.id)
    note(f"fires next at {moment(made.next_at)} UTC" if made.next_at else "no time is left at which it would fire")


def list_schedules(penstock: Penstock, *, limit: int, as_json: bool) -> None:
    """Print the newest schedules."""
    found = islice(penstock.schedules(page_size=min(limit, MAX_PAGE)), limit)
    _print_listing(HEADINGS, found, _cells, as_json=as_json)


def list_runs(penstock: Penstock, schedule_id: str, *, limit: int, as_json: bool) -> None:
    """Print the newest firings of a schedule."""
    found = islice(penstock.schedule_runs(schedule_id, page_size=min(limit, MAX_PAGE)), limit)
    _print_listing(RUN_HEADINGS, found, _run_cells, as_json=as_json)


def run_schedule(penstock: Penstock, schedule_id: str, *, as_json: bool) -> int:
    """Fire it and print the id of what was submitted. Returns the exit status: 1 if that is nothing, or not all."""
    firing = penstock.run_schedule(schedule_id)
    if as_json:
        print(firing.model_dump_json())
    elif (submitted := firing.job_id or firing.batch_id) is not None:
        print(submitted)
    if firing.error is not None:
        complain(_reason(firing.error))
    return int(firing.error is not None)


def print_schedule(schedule: ScheduleView, *, as_json: bool) -> None:
    """Print all that there is to know of it."""
    if as_json:
        print(schedule.model_dump_json())
        return
    console = Console(highlight=False)
    for name, fact in _facts(schedule).items():
        if fact is not None:
            console.print(Text(f"{name:<10} {fact}"), soft_wrap=True)


def _facts(schedule: ScheduleView) -> dict[str, str | None]:
    return {
        "schedule": f"{schedule.id}, {schedule.name}",
        "status": schedule.status,
        "times": _times(schedule),
        "starts": _utc(moment(schedule.starts_at)),
        "ends": _utc(moment(schedule.ends_at)),
        "catch-up": schedule.catch_up,
        "next": _utc(moment(schedule.next_at)),
        "last": _utc(moment(schedule.last_fired_at)),
        "last error": _reason(schedule.last_error) or None,
        "submits": _submitted(schedule),
    }


def _submitted(schedule: ScheduleView) -> str:
    if schedule.batch is not None:
        return f"a batch of {len(schedule.batch['items'])} items"
    job = schedule.job or {}
    return f"a job for {job['url']}" if job.get("url") else "a job for content of its own"


def _times(schedule: ScheduleSummary) -> str:
    is_cron = schedule.cron is not None
    return f"{schedule.cron} {schedule.time_zone}" if is_cron else f"every {schedule.interval_s} s"


def _utc(at: str | None) -> str | None:
    return None if at is None else f"{at} UTC"


def _reason(error: FiringErrorView | None) -> str:
    return "" if error is None else f"{error.message} ({error.code})"


def _cells(schedule: ScheduleSummary) -> tuple[object, ...]:
    error = "" if schedule.last_error is None else schedule.last_error.code
    return schedule.id, schedule.status, moment(schedule.next_at), _times(schedule), error, schedule.name


def _run_cells(firing: FiringView) -> tuple[object, ...]:
    submitted = firing.job_id or firing.batch_id
    return moment(firing.fired_at), moment(firing.due_at) or BY_HAND, submitted, _reason(firing.error)


def _print_listing(
    headings: Sequence[str], found: Iterable[M], cells: Callable[[M], Sequence[object]], *, as_json: bool
) -> None:
    """JSON; or else a table on a terminal, and lines with tabs elsewhere."""
    if as_json:
        for each in found:
            print(each.model_dump_json())
    elif Console().is_terminal:
        print_table(headings, map(cells, found))
    else:
        for each in found:
            print("\t".join("" if cell is None else str(cell) for cell in cells(each)))


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
