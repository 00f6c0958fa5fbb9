"""`penstock submit`: jobs for a running service."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import typer

from api.cli.follow import follow
from api.cli.guard import BAD_USAGE
from api.cli.output import print_documents
from api.cli.progress import Watched
from api.cli.report import complain, note
from api.cli.service import ANSWER_WITHIN_S, Address, with_address
from api.cli.terms import Terms
from api.cli.wishes import Wishes
from api.client import JobFields, Penstock, SubmissionFields
from api.schemas import JobView
from pipeline.job import JobState, Lane
from stages.contract import Permanent
from stages.decoding import decode

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for."""

    urls: tuple[str, ...]
    files: tuple[Path, ...]
    text: str | None
    pipeline: str | None
    stages: tuple[str, ...] | None
    wishes: Wishes
    lane: Lane
    terms: Terms
    reuse_s: float | None

    def jobs(self) -> list[tuple[str, SubmissionFields]]:
        """What to submit, each under its name. Raises `OSError`, and ends the program for what is no input."""
        found = list(self._inputs())
        if not found:
            _refuse("give URLs, or --file, or --text")
        return [(label, {**self._options(), **source, **self._reuse()}) for label, source in found]

    def _inputs(self) -> Iterator[tuple[str, JobFields]]:
        for url in self.urls:
            if "://" not in url:
                _refuse(f"{url} is no URL; files are given with --file")
            yield url, {"url": url}
        for path in self.files:
            yield path.name, _content(path)
        if self.text is not None:
            is_piped = self.text == STDIN
            yield "standard input" if is_piped else "text", {"text": sys.stdin.read() if is_piped else self.text}

    def _options(self) -> JobFields:
        options = cast("JobFields", {**self.wishes.fields(), "lane": self.lane, **self.terms.fields()})
        if self.pipeline is not None:
            options["pipeline"] = self.pipeline
        if self.stages is not None:
            options["stages"] = self.stages
        return options

    def _reuse(self) -> SubmissionFields:
        return {} if self.reuse_s is None else {"dedupe": {"max_age_s": self.reuse_s}}


def submit_jobs(api_url: str | None, order: Order, *, wait: bool, as_json: bool) -> int:
    """Submit them; print their ids, or wait and print their results. Returns the exit status."""
    wanted = order.jobs()

    def run(address: Address) -> int:
        with Penstock(**address, retry_within_s=ANSWER_WITHIN_S) as penstock:
            if not wait:
                _print_accepted(penstock, wanted, as_json=as_json)
                return 0
            watched = [Watched(label, penstock.submit(**job).id) for label, job in wanted]
            return _deliver(penstock, watched, follow(address, watched), as_json=as_json)

    return with_address(api_url, run)


def _print_accepted(penstock: Penstock, wanted: Sequence[tuple[str, SubmissionFields]], *, as_json: bool) -> None:
    for label, job in wanted:
        accepted = penstock.submit(**job)
        print(accepted.model_dump_json() if as_json else accepted.id, flush=True)
        if accepted.cached:
            note(f"{label} is not done again: job {accepted.id} has done the same")


def _deliver(penstock: Penstock, watched: Sequence[Watched], ended: Mapping[str, JobView], *, as_json: bool) -> int:
    done = [each for each in watched if ended[each.job_id].status is JobState.SUCCEEDED]
    print_documents(((each.label, penstock.result(each.job_id)) for each in done), as_json=as_json)
    return 0 if len(done) == len(watched) else 1


def _content(path: Path) -> JobFields:
    try:
        decoded = decode(path.read_bytes(), None, path.name)
    except Permanent as error:
        _refuse(f"{path}: {error}")
        raise
    return {"html": decoded.text} if decoded.kind == "html" else {"text": decoded.text}


def _refuse(reason: str) -> None:
    complain(reason)
    raise typer.Exit(BAD_USAGE)
