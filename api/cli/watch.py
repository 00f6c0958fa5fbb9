"""`penstock watch`: what happens, while it happens."""

from rich.console import Console

from api.cli.event_lines import line
from api.cli.follow import follow
from api.cli.overview import watch_system
from api.cli.progress import Watched
from api.cli.report import stderr
from api.cli.service import Address, with_address
from api.client import Penstock
from pipeline.job import JobState


def watch_jobs(api_url: str | None, job_id: str | None, *, as_json: bool) -> int:
    """Draw the job, or the whole system, on a terminal; elsewhere print a line for each event.

    Returns the exit status.
    """
    console = Console(highlight=False)
    if not as_json and console.is_terminal and stderr.is_terminal:
        if job_id is None:
            return with_address(api_url, lambda address: watch_system(address, console))
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


def _status_of(state: JobState) -> int:
    return 0 if state is JobState.SUCCEEDED else 1
