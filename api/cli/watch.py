"""`penstock watch`: what happens, while it happens."""

from rich.console import Console
from rich.text import Text

from api.cli.follow import follow
from api.cli.progress import STYLES, Watched
from api.cli.report import stderr
from api.cli.service import Address, with_address
from api.client import Gap, JobEvent, Penstock, Snapshot, StreamEvent
from pipeline.events import LAST, EventKind
from pipeline.job import JobState

STYLE_OF: dict[EventKind, str] = {LAST[state]: style for state, style in STYLES.items()}


def watch_jobs(api_url: str | None, job_id: str | None, *, as_json: bool) -> int:
    """Draw one job on a terminal; otherwise print a line for each event. Returns the exit status."""
    console = Console(highlight=False)
    if job_id is not None and not as_json and console.is_terminal and stderr.is_terminal:
        return with_address(api_url, lambda address: _draw(address, job_id))
    return with_address(api_url, lambda address: _print_events(address, job_id, console, as_json=as_json))


def _draw(address: Address, job_id: str) -> int:
    # The whole id would leave no room for what happens.
    return _status_of(follow(address, [Watched(job_id[-12:], job_id)])[job_id].status)


def _print_events(address: Address, job_id: str | None, console: Console, *, as_json: bool) -> int:
    with Penstock(**address) as penstock:
        for event in penstock.iter_events(job_id):
            if as_json:
                print(event.model_dump_json(exclude_none=True), flush=True)
            else:
                console.print(line(event), soft_wrap=True)
        return 0 if job_id is None else _status_of(penstock.job(job_id).status)


def line(event: StreamEvent) -> Text:
    """An event for a person, in local time.

    >>> line(Gap(message="Events before this one are missing.")).plain
    '          gap              Events before this one are missing.'
    """
    match event:
        case Snapshot(job=job):
            return _line("", event.event, f"{job.id}  {job.status}, {job.progress} %")
        case Gap(message=message):
            return _line("", event.event, message)
        case JobEvent():
            at, style = f"{event.at.astimezone():%H:%M:%S}", STYLE_OF.get(event.event, "")
            return _line(at, event.event, "  ".join((event.job_id, *_facts(event))), style)


def _line(at: str, name: str, rest: str, style: str = "") -> Text:
    return Text(f"{at:<8}  {name:<15}  {rest}", style=style)


def _facts(event: JobEvent) -> list[str]:
    again = "" if event.attempt in (None, 1) else f" ×{event.attempt}"
    facts = [f"{event.stage}{again}"] if event.stage else []
    if event.message:
        facts.append(f"{event.message} ({event.code})")
    if event.delay_s is not None:
        facts.append(f"again in {event.delay_s:.1f} s")
    return facts


def _status_of(state: JobState) -> int:
    return 0 if state is JobState.SUCCEEDED else 1
