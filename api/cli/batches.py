"""`penstock batch`: many jobs of a running service at once."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import cast

from rich.console import Console
from rich.live import Live
from rich.text import Text

from api.cli.batch_input import STDIN, Line, read_lines
from api.cli.output import print_documents
from api.cli.report import complain, note, stderr
from api.cli.service import Address, with_address
from api.cli.tables import moment, print_table
from api.cli.terms import Terms, refuse
from api.client import BatchResult, BatchView, JobFields, Penstock
from api.client.calls import JobOptions
from api.schemas import MAX_PAGE
from api.schemas_batches import BatchSummary, DigestView
from pipeline.job import JobState, Lane
from pipeline.sources import SourceState
from stages.contract import Document, Processing

POLL_S = 1.0
HEADINGS = ("batch", "status", "done", "accepted", "failed", "created at", "name")


@dataclass(frozen=True, slots=True)
class SourceWish:
    """A list on the web whose entries are to be the items."""

    url: str
    limit: int | None
    since: date | None


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for."""

    file: str | None
    source: SourceWish | None
    name: str | None
    pipeline: str | None
    stages: tuple[str, ...] | None
    processing: Processing | None
    lane: Lane | None
    terms: Terms
    digest: bool
    """Whether all results are summarized together in the end."""
    key: str | None

    def defaults(self) -> JobFields:
        """What items need not say. Ends the program for what is not valid."""
        fields = self.terms.fields()
        if self.pipeline is not None:
            fields["pipeline"] = self.pipeline
        if self.stages is not None:
            fields["stages"] = self.stages
        if self.processing is not None:
            fields["processing"] = self.processing
        return fields


def submit_batch(api_url: str | None, order: Order, *, wait: bool, as_json: bool) -> int:
    """Submit it and print its id, or what became of it. Returns the exit status: 1 if an item was rejected."""
    if (order.file is None) == (order.source is None):
        raise refuse("give a FILE with the items, or --source URL")
    if order.source is not None:
        return _submit_source(api_url, order, order.source, wait=wait, as_json=as_json)
    lines = read_lines(order.file or STDIN, order.defaults())

    def run(address: Address) -> int:
        with Penstock(**address) as penstock:
            items = (line.item for line in lines)
            batch = penstock.submit_batch(
                items, name=order.name, lane=order.lane, digest=order.digest, idempotency_key=order.key
            )
            _complain_of_rejected(batch, lines)
            if wait:
                return max(_followed(penstock, batch.id, as_json=as_json), int(batch.rejected_total > 0))
        print(batch.model_dump_json() if as_json else batch.id)
        return int(batch.rejected_total > 0)

    return with_address(api_url, run)


def _submit_source(api_url: str | None, order: Order, source: SourceWish, *, wait: bool, as_json: bool) -> int:
    options = cast("JobOptions", order.defaults())
    if order.lane is not None:
        options["lane"] = order.lane

    def run(address: Address) -> int:
        with Penstock(**address) as penstock:
            batch = penstock.submit_source(
                source.url,
                limit=source.limit,
                since=source.since,
                name=order.name,
                digest=order.digest,
                idempotency_key=order.key,
                **options,
            )
            if wait:
                return _followed(penstock, batch.id, as_json=as_json)
        print(batch.model_dump_json() if as_json else batch.id)
        return 0

    return with_address(api_url, run)


def show_batch(api_url: str | None, batch_id: str, *, wait: bool, as_json: bool) -> int:
    """Print how far it has come. Returns the exit status: with `wait` 1 unless every job has succeeded."""

    def run(address: Address) -> int:
        with Penstock(**address) as penstock:
            if wait:
                return _followed(penstock, batch_id, as_json=as_json)
            _print_batch(penstock.batch(batch_id), as_json=as_json)
        return 0

    return with_address(api_url, run)


def print_results(penstock: Penstock, batch_id: str, *, as_json: bool) -> None:
    """Print how jobs ended; without JSON the reasons of those without a document go to standard error."""
    results = penstock.iter_batch_results(batch_id)
    if as_json:
        for result in results:
            print(result.model_dump_json())
    else:
        print_documents(_documents(results), as_json=False)
    if (digest := penstock.batch(batch_id).digest) is not None:
        note(f"digest: {_digest_line(digest)}")


def cancel_batch(penstock: Penstock, batch_id: str, *, as_json: bool) -> None:
    """Cancel what has not ended, and print how it is then."""
    _print_batch(penstock.cancel_batch(batch_id), as_json=as_json)


def retry_batch(penstock: Penstock, batch_id: str, *, as_json: bool) -> None:
    """Continue what has failed, and print the bulk action that does it."""
    action = penstock.retry_failed(batch_id)
    print(action.model_dump_json() if as_json else f"{action.id} {action.status}")
    note(f"{action.total} jobs are continued one after the other")


def list_batches(penstock: Penstock, *, limit: int, as_json: bool) -> None:
    """Print the newest batches."""
    found = islice(penstock.iter_batches(page_size=min(limit, MAX_PAGE)), limit)
    if as_json:
        for batch in found:
            print(batch.model_dump_json())
    elif Console().is_terminal:
        print_table(HEADINGS, map(_cells, found))
    else:
        for batch in found:
            print("\t".join(map(str, _cells(batch))))


def _complain_of_rejected(batch: BatchView, lines: Sequence[Line]) -> None:
    for each in batch.rejected:
        complain(f"line {lines[each.index].number}: {each.message} ({each.code})")
    note(f"{batch.accepted} of {batch.accepted + batch.rejected_total} items were accepted")


def _followed(penstock: Penstock, batch_id: str, *, as_json: bool) -> int:
    """Show progress until nothing more happens; returns the exit status."""
    batch = _watched(penstock, batch_id, time.sleep)
    _print_batch(batch, as_json=as_json)
    has_failed_source = any(source.status is SourceState.FAILED for source in batch.sources)
    return int(has_failed_source or batch.counts[JobState.SUCCEEDED] != batch.accepted)


def _watched(penstock: Penstock, batch_id: str, sleep: Callable[[float], None]) -> BatchView:
    """The batch once it is over: one line that is drawn anew on a terminal, a line for each change elsewhere."""
    said = ""
    with Live(console=stderr, auto_refresh=False, transient=True) as live:
        while not (batch := penstock.batch(batch_id)).is_over:
            line = progress_line(batch)
            if stderr.is_terminal:
                live.update(Text(line), refresh=True)
            elif line != said:
                note(line)
            said = line
            sleep(POLL_S)
    return batch


def progress_line(batch: BatchSummary) -> str:
    """How far a batch has come, in one line."""
    counts = ", ".join(f"{jobs} {state}" for state, jobs in batch.counts.items() if jobs)
    return f"{batch.status}  {batch.progress:3d} %  {counts or 'no jobs'}"


def _print_batch(batch: BatchView, *, as_json: bool) -> None:
    if as_json:
        print(batch.model_dump_json())
        return
    facts = {
        "batch": f"{batch.id}{f', {batch.name}' if batch.name else ''}",
        "created": f"{moment(batch.created_at)} UTC",
        "status": progress_line(batch),
        "items": f"{batch.accepted} accepted, {batch.rejected_total} rejected",
    }
    console = Console(highlight=False)
    for name, fact in facts.items():
        console.print(Text(f"{name:<9} {fact}"), soft_wrap=True)
    if batch.digest is not None:
        console.print(Text(f"{'digest':<9} {_digest_line(batch.digest)}"), soft_wrap=True)
    for source in batch.sources:
        problem = f": {source.problem.message} ({source.problem.code})" if source.problem else ""
        console.print(
            Text(f"{'source':<9} {source.url} {source.status}, {source.items} items{problem}"), soft_wrap=True
        )
    for each in batch.rejected:
        console.print(Text(f"{'':<9} item {each.index}: {each.message} ({each.code})"), soft_wrap=True)


def _digest_line(digest: DigestView) -> str:
    if digest.problem is not None:
        return f"none: {digest.problem.message} ({digest.problem.code})"
    if digest.job_id is None:
        return "made when all jobs have ended"
    return f"{digest.status or 'erased'}, penstock result {digest.job_id}"


def _documents(results: Iterable[BatchResult]) -> Iterator[tuple[str, Document]]:
    for result in results:
        label = result.source_url or f"item {result.index}"
        if result.result is not None:
            yield label, result.result
        else:
            why = f": {result.error.message} ({result.error.code})" if result.error else ""
            note(f"{label} {result.status}{why}")


def _cells(batch: BatchSummary) -> tuple[object, ...]:
    return (
        batch.id,
        batch.status,
        f"{batch.progress} %",
        batch.accepted,
        batch.counts[JobState.FAILED],
        moment(batch.created_at),
        batch.name or "",
    )
