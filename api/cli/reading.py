"""`penstock status`, `result`, `jobs` and `cancel`: one question to a running service each."""

from collections.abc import Iterable, Sequence
from itertools import islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.output import as_markdown
from api.cli.progress import stage_marks, status_line
from api.cli.report import complain
from api.cli.service import status_of
from api.client import JobFilters, Penstock, PenstockError
from api.html import as_html
from api.schemas import MAX_PAGE, JobSummary, JobView

HEADINGS = ("job", "status", "created at", "source")


def show_job(penstock: Penstock, job_id: str, *, as_json: bool) -> None:
    """Print how a job is."""
    job = penstock.job(job_id)
    if as_json:
        print(job.model_dump_json())
    else:
        _print_job(job)


def show_result(penstock: Penstock, job_id: str, wanted: str) -> None:
    """Print the document of a job."""
    document = penstock.result(job_id)
    match wanted:
        case "json":
            print(document.model_dump_json())
        case "markdown":
            print(as_markdown(document))
        case "html":
            print(as_html(document), end="")
        case _:
            print(document.text)


def list_jobs(penstock: Penstock, meant: JobFilters, *, limit: int, as_json: bool) -> None:
    """Print the newest jobs that are meant."""
    found = islice(penstock.iter_jobs(page_size=min(limit, MAX_PAGE), **meant), limit)
    if as_json:
        for job in found:
            print(job.model_dump_json())
    else:
        _print_jobs(found)


def cancel_jobs(penstock: Penstock, job_ids: Sequence[str], *, as_json: bool) -> int:
    """Cancel each of them. Returns the exit status: that of the last one that could not be cancelled, if any."""
    status = 0
    for job_id in job_ids:
        try:
            job = penstock.cancel(job_id)
        except PenstockError as error:
            complain(str(error))
            status = status_of(error)
        else:
            print(job.model_dump_json() if as_json else f"{job.id} {job.status}")
    return status


def _print_job(job: JobView) -> None:
    console = Console(highlight=False)
    lines = {
        "job": Text(f"{job.id}, run {job.run}, pipeline {job.pipeline}, lane {job.lane}"),
        "source": Text(job.source_url or "submitted content"),
        "created": Text(f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        "status": Text(", ").join((status_line(job), Text(f"{job.progress} % done"))),
        "stages": stage_marks(job.stages),
    }
    for name, text in lines.items():
        console.print(Text(f"{name:<9}"), text, soft_wrap=True)


def _print_jobs(found: Iterable[JobSummary]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        for job in found:
            print("\t".join(_cells(job)))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, header_style="dim", overflow="fold", no_wrap=heading != "source")
    for job in found:
        table.add_row(*map(Text, _cells(job)))
    console.print(table)


def _cells(job: JobSummary) -> tuple[str, ...]:
    status = f"{job.status}: {job.error.code}" if job.error else str(job.status)
    return job.id, status, f"{job.created_at:%Y-%m-%d %H:%M:%S}", job.source_url or ""
