"""`make demo`: the sample pages that come with the package, through the whole stack, without network or key."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib import resources
from ipaddress import ip_network

from api.cli.output import print_results
from api.cli.report import note
from api.cli.run import run_jobs
from orchestration.embedded.background import background_stack
from orchestration.settings import Settings
from orchestration.submit import Submission
from orchestration.wiring import Wiring
from pipeline.job import Job, JobState, Lane
from stages.contract import Options

MISSING = "removed.html"
"""Is not among the samples: shows how a job fails."""


def run_demo(settings: Settings) -> int:
    """Run the samples; returns 0 when every job ended as it should."""
    reachable = settings.model_copy(update={"allow_networks": (ip_network("127.0.0.0/8"),)})
    # The stack first: it forks, and the server of the samples is a thread.
    with background_stack(reachable), _sample_server() as base:
        note(f"Sample pages are served on {base}. Without a language model the summaries are made offline.\n")
        jobs = run_jobs(reachable, list(_submissions(base)))
    with closing(Wiring(settings)) as wiring:
        print_results(jobs, wiring.payloads, as_json=False)
    unexpected = [label for label, job in jobs if not _as_expected(label, job)]
    for label in unexpected:
        note(f"{label} did not end as it should")
    return 1 if unexpected else 0


def _submissions(base: str) -> Iterator[tuple[str, Submission]]:
    yield "long-read.html", Submission(url=f"{base}/long-read.html", options=Options(processing="detailed"))
    for name in ("stauwerk.html", "kagaku.html", "mercado.html", "broken.html", MISSING):
        yield name, Submission(url=f"{base}/{name}", lane=Lane.BULK)
    yield "stauwerk.html, analyzed", Submission(url=f"{base}/stauwerk.html", pipeline="analyze")
    yield "harbour.html", Submission(url=f"{base}/harbour.html", lane=Lane.URGENT)


def _as_expected(label: str, job: Job) -> bool:
    if label == MISSING:
        return job.error is not None and job.error.code == "http_not_found"
    return job.state is JobState.SUCCEEDED


@contextmanager
def _sample_server() -> Iterator[str]:
    """Serve the samples on a free loopback port; yields the base URL."""
    with resources.as_file(resources.files("api.cli") / "samples") as folder:
        handler = partial(_QuietHandler, directory=str(folder))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        return
