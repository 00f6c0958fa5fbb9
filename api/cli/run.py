"""`penstock run`: jobs from the command line, with live progress, on whatever stack there is."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from api.cli.interrupts import noted_interrupts
from api.cli.output import print_results, write_results
from api.cli.progress import Progress, Watched
from api.cli.report import note
from api.cli.terms import Terms, refuse
from api.cli.wishes import Wishes
from api.schemas import JobView
from orchestration.embedded.background import background_stack, require_stack
from orchestration.settings import Settings
from orchestration.submit import Submission
from orchestration.wiring import Wiring
from pipeline.errors import JobFinished, PipelineError
from pipeline.job import DEFAULT_TENANT, Job, JobState, Lane
from stages.contract import Options

POLL_S = 0.05
STDIN = "-"
MEDIA_TYPES = {
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".pdf": "application/pdf",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    sources: tuple[str, ...]
    pipeline: str | None
    stages: tuple[str, ...] | None
    wishes: Wishes
    terms: Terms
    lane: Lane

    def submission(self, source: str) -> Submission:
        """The job for one of the sources. Raises `OSError` when a file cannot be read, and ends the program for
        what is not valid.
        """
        wanted = Submission(
            pipeline=self.pipeline,
            stages=self.stages,
            options=self.wishes.options(self.terms),
            lane=self.lane,
        )
        if "://" in source:
            return replace(wanted, url=source)
        if self.terms.render:
            raise refuse(f"--render takes URLs, not {source}")
        if source == STDIN:
            return replace(wanted, body=sys.stdin.buffer.read(), name="standard input")
        path = Path(source)
        media_type = MEDIA_TYPES.get(path.suffix.lower())
        return replace(wanted, body=path.read_bytes(), content_type=media_type, name=path.name)


def run_sources(settings: Settings, wish: Wish, *, as_json: bool, output: Path | None) -> int:
    """Run one job for each source and print or write the results. Returns the exit status."""
    submissions = [(source, wish.submission(source)) for source in wish.sources]
    return _deliver(settings, run_jobs(settings, submissions), as_json=as_json, output=output)


def retry_job(settings: Settings, job_id: str, *, as_json: bool, output: Path | None) -> int:
    """Continue a job where it stopped and print or write its result. Returns the exit status."""
    jobs = _run(settings, lambda wiring: [_again(wiring.reruns.retry(DEFAULT_TENANT, job_id))])
    return _deliver(settings, jobs, as_json=as_json, output=output)


def replay_job(
    settings: Settings, job_id: str, from_stage: str, options: Options | None, *, as_json: bool, output: Path | None
) -> int:
    """Start a job again from a stage and print or write its result. Returns the exit status."""
    jobs = _run(settings, lambda wiring: [_again(wiring.reruns.replay(DEFAULT_TENANT, job_id, from_stage, options))])
    return _deliver(settings, jobs, as_json=as_json, output=output)


def purge_job(settings: Settings, job_id: str) -> None:
    """Erase a job."""
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        wiring.desk.purge(DEFAULT_TENANT, job_id)
    note(f"job {job_id} is erased")


def _again(job: Job) -> Watched:
    return Watched(job.source.url or job.source.name or job.id, job.id)


def _deliver(settings: Settings, jobs: list[tuple[str, Job]], *, as_json: bool, output: Path | None) -> int:
    with closing(Wiring(settings)) as wiring:
        print_results(jobs, wiring.payloads, as_json=as_json)
        if output is not None:
            write_results(jobs, wiring.payloads, output)
    return 0 if all(job.state is JobState.SUCCEEDED for _, job in jobs) else 1


def run_jobs(settings: Settings, submissions: Sequence[tuple[str, Submission]]) -> list[tuple[str, Job]]:
    """Submit, watch until all have ended, and return the jobs as they ended, each with its label.

    Ctrl-C cancels them and raises `KeyboardInterrupt`.
    """

    def submit(wiring: Wiring) -> list[Watched]:
        return [Watched(label, wiring.desk.submit(submission).id) for label, submission in submissions]

    return _run(settings, submit)


def _run(settings: Settings, begin: Callable[[Wiring], list[Watched]]) -> list[tuple[str, Job]]:
    """Begin jobs on whatever stack there is, and watch until all have ended."""
    with background_stack(settings), closing(Wiring(settings)) as wiring, noted_interrupts() as interrupted:
        watched = begin(wiring)
        ended = _watch(watched, wiring, interrupted)
        if ended is None:
            _cancel(watched, wiring)
            raise KeyboardInterrupt
        return ended


def _watch(watched: Sequence[Watched], wiring: Wiring, interrupted: Event) -> list[tuple[str, Job]] | None:
    """Show the jobs until all have ended; None when interrupted before."""
    latest: dict[str, Job] = {}
    with Progress(watched) as progress:
        while not interrupted.wait(POLL_S):
            _refresh(latest, watched, lambda job_id: wiring.records.job(DEFAULT_TENANT, job_id))
            progress.show({job_id: JobView.of(job) for job_id, job in latest.items()})
            if all(job.state.is_terminal for job in latest.values()):
                return [(each.label, latest[each.job_id]) for each in watched]
            require_stack(wiring.settings)
    return None


def _refresh(latest: dict[str, Job], watched: Iterable[Watched], read: Callable[[str], Job | None]) -> None:
    for each in watched:
        known = latest.get(each.job_id)
        if known is not None and known.state.is_terminal:
            continue
        job = read(each.job_id)
        if job is None:
            raise PipelineError(f"job {each.job_id} has vanished from the records")
        latest[each.job_id] = job


def _cancel(watched: Iterable[Watched], wiring: Wiring) -> None:
    note("cancelling")
    for each in watched:
        try:
            wiring.desk.cancel(DEFAULT_TENANT, each.job_id)
        except JobFinished:
            continue
