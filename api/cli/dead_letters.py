"""`penstock dead-letters`: what failed and why, and doing something about it."""

import time
from collections.abc import Sequence
from contextlib import closing

from rich.console import Console
from rich.text import Text

from api.cli.opening import opened
from api.cli.report import note
from api.cli.tables import moment, print_table
from api.schemas_bulk import BulkActionView
from api.schemas_letters import LetterSummary, LetterView, is_dead_letter
from orchestration.embedded.background import require_stack
from orchestration.settings import Settings
from orchestration.wiring import Wiring
from pipeline.bulk import BulkState, BulkVerb
from pipeline.errors import JobNotFound, PipelineError
from pipeline.ids import canonical_uuid
from pipeline.job import DEFAULT_TENANT
from pipeline.ports import JobFilter

POLL_S = 0.2


def list_letters(settings: Settings, meant: JobFilter, *, limit: int, as_json: bool) -> None:
    """Print the newest dead letters that are meant."""
    with closing(opened(settings)) as wiring:
        page = wiring.records.jobs(DEFAULT_TENANT, meant, before=None, limit=limit)
        count = wiring.records.count(DEFAULT_TENANT, meant)
    found = [LetterSummary.of(job) for job in page.items]
    if as_json:
        for letter in found:
            print(letter.model_dump_json())
    else:
        _print_table(found)
    note(f"{len(found)} of {count} dead letters")


def show_letter(settings: Settings, job_id: str, *, as_json: bool) -> None:
    """Print all about one dead letter. Raises `JobNotFound`, or `PipelineError` when the job is none."""
    with closing(opened(settings)) as wiring:
        job = wiring.records.job(DEFAULT_TENANT, job_id)
    if job is None:
        raise JobNotFound(job_id)
    if not is_dead_letter(job):
        raise PipelineError(f"job {job_id} is no dead letter")
    letter = LetterView.of(job)
    if as_json:
        print(letter.model_dump_json())
    else:
        _print_letter(letter)


def act_on_letters(settings: Settings, verb: BulkVerb, meant: JobFilter | Sequence[str], *, as_json: bool) -> int:
    """Record an action and wait until the running stack has carried it out. Returns the exit status."""
    with closing(opened(settings)) as wiring:
        jobs = meant if isinstance(meant, JobFilter) else [_id_of(job_id) for job_id in meant]
        action = wiring.bulk.record(DEFAULT_TENANT, verb, jobs)
        view = _watched(wiring, action.id)
    if as_json:
        print(view.model_dump_json())
    else:
        for failure in view.failures:
            note(f"{failure.job_id}: {failure.message} ({failure.code})")
        note(f"{verb} of {view.total} jobs: {view.done} done, {view.failed} failed")
    return 0 if view.done == view.total else 1


def _id_of(text: str) -> str:
    job_id = canonical_uuid(text)
    if job_id is None:
        raise JobNotFound(text)
    return job_id


def _watched(wiring: Wiring, action_id: str) -> BulkActionView:
    """The action once it has ended. Raises `MachineryFailed` when there is no stack to carry it out."""
    while True:
        action = wiring.records.bulk(DEFAULT_TENANT, action_id)
        if action is None:
            raise PipelineError(f"bulk action {action_id} has vanished from the records")
        if action.state is not BulkState.RUNNING:
            return BulkActionView.of(action)
        require_stack(wiring.settings)
        time.sleep(POLL_S)


def _print_table(found: Sequence[LetterSummary]) -> None:
    rows = [(each.job_id, each.stage, each.code, moment(each.failed_at), each.source_url) for each in found]
    print_table(("job", "stage", "code", "failed at", "source"), rows)


def _print_letter(letter: LetterView) -> None:
    console = Console(highlight=False)
    facts = {
        "job": f"{letter.job_id}, run {letter.run}, pipeline {letter.pipeline}",
        "source": letter.source_url,
        "failed": f"{letter.failed_at}, at {letter.stage}",
        "reason": f"{letter.reason} ({letter.code})",
        "attempts": f"{letter.attempts}, and {letter.losses} workers lost",
        "input": letter.input and f"{letter.input.key} ({letter.input.size} bytes, {letter.input.media_type})",
        "retry": f"penstock retry {letter.job_id}" + ("" if letter.retryable else "  (not likely to help)"),
    }
    for name, fact in facts.items():
        if fact:
            console.print(Text(f"{name:<9} {fact}"), soft_wrap=True)
    if letter.traceback:
        console.print(Text(f"\n{letter.traceback}"), soft_wrap=True)
