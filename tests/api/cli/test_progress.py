"""What is drawn of jobs on a terminal."""

from io import StringIO

import pytest
from rich.console import Console

from api.cli.progress import Progress, Watched
from api.client import SummaryDelta
from api.schemas import JobView
from pipeline.job import JobState
from pipeline.memory import MemoryRecords
from tests.support.jobs import World
from tests.support.tools import ManualClock


@pytest.fixture
def job():
    world = World(MemoryRecords(ManualClock()), lambda _s: None)
    return JobView.of(world.read(world.accept()))


def delta(offset, text):
    return SummaryDelta(job_id="7", run=1, stage="summarize", attempt=1, offset=offset, text=text)


def drawn(watched, jobs, *deltas, then=None):
    """The last picture."""
    out = StringIO()
    with Progress(watched, Console(file=out, force_terminal=True, width=100)) as progress:
        progress.show(jobs)
        for each in deltas:
            progress.write(each)
        out.truncate(0)
        progress.show(then or jobs)
        return out.getvalue()


def test_a_summary_grows_under_its_job(job):
    picture = drawn([Watched("mine", "7")], {"7": job}, delta(0, "Locks lower"), delta(6, "lift boats."))
    assert picture.index("mine") < picture.index("Locks lift boats.")


def test_it_goes_when_the_job_has_ended(job):
    ended = {"7": job.model_copy(update={"status": JobState.SUCCEEDED})}
    assert "Locks" not in drawn([Watched("mine", "7")], {"7": job}, delta(0, "Locks lift"), then=ended)


def test_of_several_jobs_no_text_is_drawn(job):
    watched = [Watched("mine", "7"), Watched("yours", "8")]
    picture = drawn(watched, {"7": job, "8": job}, delta(0, "Locks lift"))
    assert "yours" in picture
    assert "Locks" not in picture
