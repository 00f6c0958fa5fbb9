"""`python -m tests.chaos --minutes 30 --seed 1`: jobs of all lanes without pause, and faults without pause.

At the end it waits until all is quiet, judges, writes build/chaos/verdict.json and verdict.md, and exits with 1 if a
promise was broken. The faults and their times follow from the seed.
"""

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

from orchestration.embedded.server import find_server
from tests.chaos.nemesis import Nemesis, plan
from tests.chaos.report import Run, as_markdown, write
from tests.support.brokers import Broker
from tests.support.databases import postgresql_url, sqlite_url
from tests.support.faulty_effects import Model, Web, article
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES, JobFleet
from tests.support.origin import Reply
from tests.support.waiting import NeverHappened

OUT = Path("build/chaos")
EVERY_S = (0.2, 0.8)
"""Between one submission and the next."""
WORK_S = 0.7
"""What a page and a summary take."""
LISTENED_TO = 0.15
"""The share of jobs that somebody listens to."""
FLAKY = 0.08
"""The share of pages that are not there at the first try."""
QUIET_WITHIN_S = 180.0
RECOVERED_WITHIN_S = 60.0
"""Of a job whose worker dies while the broker is away too."""
MAY_FAIL = {"worker_lost"}
"""With three workers killed on one stage a job is given up, as documented."""


def main() -> int:
    arguments = _arguments()
    with _fleet(arguments.database) as fleet:
        began_at = time.monotonic()
        _hurt(fleet, arguments.seed, arguments.minutes * 60)
        quiet_after_s, unrest = _quiet_after_s(fleet)
        verdict = judge(fleet, recovered_within_s=RECOVERED_WITHIN_S, may_fail=MAY_FAIL)
        verdict.failures += unrest
        told = fleet.told
        run = Run(
            seed=arguments.seed,
            minutes=arguments.minutes,
            database=arguments.database,
            verdict=verdict,
            accepted=len(told.accepted),
            refused=told.refused,
            unanswered=told.unanswered,
            longest_answer_s=told.longest_answer_s,
            quiet_after_s=quiet_after_s,
        )
        write(run, OUT)
        if not run.is_good:
            _keep_evidence(fleet, OUT / "evidence")
    print(as_markdown(run))
    print(f"{time.monotonic() - began_at:.0f} s; {OUT}/verdict.json")
    return 0 if run.is_good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    return parser.parse_args()


@contextmanager
def _fleet(database: str) -> Iterator[JobFleet]:
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        url = sqlite_url(folder) if database == "sqlite" else postgresql_url()
        with (
            Broker(find_server(), folder / "broker") as broker,
            Web(delay_s=WORK_S) as web,
            Model(delay_s=WORK_S) as model,
            JobFleet(folder, broker, url, web, model) as fleet,
        ):
            yield fleet.start(dict.fromkeys(STAGES, 2))


def _hurt(fleet: JobFleet, seed: int, length_s: float) -> None:
    """Load and faults for so long."""
    over = threading.Event()
    load = threading.Thread(target=_submit, args=(fleet, Random(seed + 1), over), name="load", daemon=True)
    load.start()
    threading.Timer(length_s, over.set).start()
    Nemesis(fleet, over).carry_out(plan(seed, length_s))
    over.wait()
    load.join()
    fleet.box.disarm()


def _submit(fleet: JobFleet, random: Random, over: threading.Event) -> None:
    while not over.wait(random.uniform(*EVERY_S)):
        token = f"tok-{random.getrandbits(48):012x}"
        lane = random.choice(("urgent", "normal", "normal", "bulk"))
        kind = random.random()
        body = {} if kind < 0.7 else {"html": article(token)}
        pipeline = {} if kind < 0.5 or kind > 0.85 else {"pipeline": "extract"}
        if random.random() < FLAKY:
            fleet.web.when(token, Reply(status=500), fleet.web.usual(token))
        job = fleet.submit(token=token, lane=lane, **body, **pipeline)
        if job is not None and random.random() < LISTENED_TO:
            fleet.listen(job)


def _quiet_after_s(fleet: JobFleet) -> tuple[float, list[str]]:
    began_at = time.monotonic()
    try:
        fleet.wait_quiet(within_s=QUIET_WITHIN_S)
    except NeverHappened as error:
        return time.monotonic() - began_at, [f"I5 not quiet: {str(error).splitlines()[0]}"]
    return time.monotonic() - began_at, []


def _keep_evidence(fleet: JobFleet, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in [*fleet.folder.glob("*.log"), *fleet.folder.glob("*.db*"), fleet.folder / "events"]:
        shutil.copy(path, folder)
    hits = sorted([*fleet.web.ledger.all(), *fleet.model.ledger.all()], key=lambda hit: hit.at)
    (folder / "effects").write_text("".join(json.dumps(asdict(hit)) + "\n" for hit in hits))


if __name__ == "__main__":
    sys.exit(main())
