"""What one job of the pipeline `summarize` costs: SQL statements, commits, Redis commands.

A whole stack runs the jobs, one at a time, on a web server and a language model of its own: so the counts are those of
workers with nothing else to do, who look once more and wait again for each message, and do not depend on speed. What
the stack does without jobs, which is leases and the keeper, is told apart and shown by the second. SQL is counted in
each process as SQLAlchemy hands it to the driver, commands by the server's `MONITOR`, which has to agree with its
statistics.

    python -m tests.benchmarks.cost --jobs 50

`reads` are transactions that changed nothing, `synced` the commits that wait for the disk, `sent` the commands of
clients, `executed` all, those of scripts too. The last line is JSON.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestration.embedded.background import background_stack
from orchestration.embedded.datadir import DataDir
from orchestration.settings import Settings
from orchestration.storage.records import SqlRecords
from orchestration.submit import Submission
from orchestration.wiring import Wiring
from pipeline.job import DEFAULT_TENANT, JobState
from tests.benchmarks.monitored import ACCEPT, BACKGROUND, EXECUTED, SENT, Item, Monitor, monitor
from tests.benchmarks.transport.report import print_table
from tests.support.articles import ARTICLE
from tests.support.databases import postgresql_url, sqlite_url
from tests.support.openai_server import openai_server
from tests.support.origin import Origin, Reply
from tests.support.tally import COMMIT, READ, STATEMENT, SYNCED, Tally
from tests.support.waiting import until

PIPELINE = "summarize"
STAGES = ("fetch", "extract", "summarize", "store")
PARTS = (ACCEPT, *STAGES)
COLUMNS = (STATEMENT, READ, COMMIT, SYNCED, SENT, EXECUTED)
DATABASES: dict[str, Callable[[Path], str]] = {"sqlite": sqlite_url, "postgresql": lambda _folder: postgresql_url()}
WARM_UP_JOBS = 5
IDLE_S = 10.0
ENDS_WITHIN_S = 60
LONG_S = 600
"""For leases and the like, so that nothing lapses however slow the machine is."""
TIMED_CALLS = {"renew", "check_in", "paused", "due_webhooks"}
"""What processes do by the clock."""

Cost = Counter[Item]


@dataclass(frozen=True)
class Moment:
    """The state of all counters."""

    at: float
    cost: Cost
    statistics: Counter[str]


@dataclass(frozen=True)
class Stretch:
    """What happened between two moments."""

    seconds: float
    cost: Cost

    def of(self, what: str, *, part: str | None = None, name: str | None = None) -> int:
        """How much of `what`, by default in all parts of the jobs and under all names."""
        parts = PARTS if part is None else (part,)
        return sum(
            count
            for item, count in self.cost.items()
            if item.what == what and item.part in parts and name in {None, item.name}
        )

    def background_per_s(self) -> dict[str, float]:
        """What was not for jobs."""
        return {what: self.of(what, part=BACKGROUND) / self.seconds for what in COLUMNS}


class Counted:
    """A running stack and its counters."""

    def __init__(self, wiring: Wiring, tally: Tally, watching: Monitor, page: str, keeper: int) -> None:
        self._wiring = wiring
        self._tally = tally
        self._watching = watching
        self._page = page
        self._keeper = keeper

    def run(self, jobs: int) -> Stretch:
        """Run jobs, one after the other. Raises `RuntimeError` unless they succeed."""
        before = self._now()
        ids = [self._run_one() for _ in range(jobs)]
        stretch = self._since(before)
        states = {self._state(job_id) for job_id in ids}
        if states != {JobState.SUCCEEDED}:
            raise RuntimeError(f"the jobs ended as {states}")
        return stretch

    def idle(self, seconds: float) -> Stretch:
        """Do nothing. Raises `RuntimeError` when something happens all the same that would count as a job's."""
        before = self._now()
        time.sleep(seconds)
        stretch = self._since(before)
        if strange := [item for item in stretch.cost if item.part != BACKGROUND]:
            raise RuntimeError(f"an idle stack is not to do {strange}")
        return stretch

    def _run_one(self) -> str:
        settled = self._watching.settled + len(STAGES)
        job = self._wiring.desk.submit(Submission(url=self._page, pipeline=PIPELINE))
        until(
            lambda: self._watching.settled >= settled and self._watching.is_calm,
            within_s=ENDS_WITHIN_S,
            what=f"the end of job {job.id}",
        )
        return job.id

    def _state(self, job_id: str) -> JobState | None:
        job = self._wiring.records.job(DEFAULT_TENANT, job_id)
        return job and job.state

    def _now(self) -> Moment:
        commands, statistics = self._watching.counted()
        return Moment(time.monotonic(), commands + self._sql(), statistics)

    def _since(self, before: Moment) -> Stretch:
        now = self._now()
        stretch = Stretch(now.at - before.at, now.cost - before.cost)
        _compare(stretch.cost, now.statistics - before.statistics)
        return stretch

    def _sql(self) -> Cost:
        cost = Cost()
        for (pid, call, stage, what), count in self._tally.counted().items():
            is_timed = pid == self._keeper or call in TIMED_CALLS
            cost[Item(BACKGROUND if is_timed else stage or call, call, what)] += count
        return cost


def main() -> None:
    arguments = _arguments()
    figures: dict[str, Any] = {"jobs": arguments.jobs}
    for database in arguments.databases:
        with tempfile.TemporaryDirectory(prefix="pb") as folder, _stack(Path(folder), DATABASES[database]) as stack:
            stack.run(WARM_UP_JOBS)
            ran, idled = stack.run(arguments.jobs), stack.idle(IDLE_S)
        figures[database] = _figures(ran, idled, arguments.jobs)
        _print(database, figures[database])
    print(json.dumps(figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES))
    return parser.parse_args()


@contextmanager
def _stack(folder: Path, new_database: Callable[[Path], str]) -> Iterator[Counted]:
    model, web = openai_server(), Origin(default=Reply(body=ARTICLE))
    settings = Settings(
        data_dir=folder,
        database_url=new_database(folder),
        broker_url=None,
        broker_transport="streams",
        allow_networks="127.0.0.0/8",
        llm_base_url=model.url("/v1"),
        lease_s=LONG_S,
        relaunch_after_s=LONG_S,
        cpu_concurrency=2,
        log_level="warning",
    )
    # The processes of the stack are forked from this one, and with it what counts. The servers get their threads later.
    with (
        Tally(folder / "tally") as tally,
        patch("orchestration.wiring.SqlRecords", lambda *url, **named: tally.of(SqlRecords(*url, **named))),
        background_stack(settings),
        model,
        web,
        closing(Wiring(settings)) as wiring,
        monitor(settings.socket_path, STAGES[0]) as watching,
    ):
        note = DataDir(settings.data_dir).running()
        assert note is not None
        yield Counted(wiring, tally, watching, web.url("/"), note.pids["keeper"])


def _compare(cost: Cost, statistics: Counter[str]) -> None:
    """Raise `RuntimeError` unless both agree, except about the waits that were under way at either end."""
    seen = Counter[str]()
    for item, count in cost.items():
        seen[item.name] += count if item.what == EXECUTED else 0
    differing = (seen - statistics) + (statistics - seen)
    if differing - Counter(xreadgroup=2 * len(PARTS)):
        raise RuntimeError(f"MONITOR and the statistics of the server differ: {differing}")


def _figures(ran: Stretch, idled: Stretch, jobs: int) -> dict[str, Any]:
    items = [item for item in ran.cost if item.part in PARTS]
    calls = sorted({(PARTS.index(item.part), item.name) for item in items if item.what == STATEMENT})
    commands = sorted({item.name for item in items if item.what == EXECUTED})
    return {
        "parts": {part: {what: ran.of(what, part=part) / jobs for what in COLUMNS} for part in PARTS},
        "job": {what: ran.of(what) / jobs for what in COLUMNS},
        "calls": {
            f"{name} {PARTS[place]}" if place else name: {
                what: ran.of(what, part=PARTS[place], name=name) / jobs for what in COLUMNS[:4]
            }
            for place, name in calls
        },
        "commands": {name: {what: ran.of(what, name=name) / jobs for what in COLUMNS[4:]} for name in commands},
        "background_per_s": {"with jobs": ran.background_per_s(), "idle": idled.background_per_s()},
    }


def _print(database: str, figures: dict[str, Any]) -> None:
    for title, rows in (
        ("a job, by part", {**figures["parts"], "all": figures["job"]}),
        ("a job, by call of the records", figures["calls"]),
        ("a job, by command", figures["commands"]),
        ("besides, a second", figures["background_per_s"]),
    ):
        print(f"\n{database}: {title}")
        print_table([{"": name, **row} for name, row in rows.items()])
    print()


if __name__ == "__main__":
    main()
