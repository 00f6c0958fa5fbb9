"""Two tenants on one stack: what one has submitted hardly delays the other, however much it is."""

import json
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from orchestration.settings import Settings
from orchestration.wiring import Wiring
from pipeline.keys import KeyScope
from pipeline.shares import AT_ONCE, waiting_limit
from tests.support.stack import ENDED, LiveStack, live_stack
from tests.support.waiting import until

CONCURRENCY = 4
BACKLOG = 600
"""Half a minute's work for `CONCURRENCY` that need 0.2 s each."""
AHEAD = AT_ONCE + waiting_limit(CONCURRENCY, 20) + 4 * CONCURRENCY
"""How many jobs of the other one may end meanwhile: those launched as they came, those that may wait, those in work at
the three stages, and those that end while it is at work itself."""
JOB = {"text": "Water falls.", "pipeline": "sleepy"}


@pytest.fixture(scope="module")
def stack() -> Iterator[LiveStack]:
    catalog = "tests.support.sleepy:CATALOG"
    with live_stack(catalog=catalog, io_concurrency=CONCURRENCY, log_level="warning") as stack:
        yield stack


def client_of(stack: LiveStack, tenant_id: str) -> httpx.Client:
    with closing(Wiring(Settings(data_dir=stack.data_dir))) as wiring:
        _, text = wiring.key_desk.create(tenant_id, "test", frozenset(KeyScope), None)
    bearer = {"Authorization": f"Bearer {text.get_secret_value()}"}
    return httpx.Client(base_url=stack.client.base_url, headers=bearer, timeout=60, trust_env=False)


def ended(client: httpx.Client, batch_url: str) -> int:
    counts = client.get(batch_url).json()["counts"]
    return sum(counts.get(state, 0) for state in ENDED)


def test_one_tenants_backlog_delays_anothers_job_by_a_few_stage_times(stack: LiveStack) -> None:
    with client_of(stack, "big") as big, client_of(stack, "small") as small:
        for _ in range(2 * AT_ONCE):
            assert big.post("/v1/jobs", json=JOB).status_code == 202
        lines = "".join(json.dumps(JOB) + "\n" for _ in range(BACKLOG))
        batch = big.post("/v1/batches", content=lines, headers={"Content-Type": "application/x-ndjson"}).json()
        until(lambda: ended(big, batch["url"]) > 2 * AT_ONCE, within_s=60, what="the backlog to be under way")
        for _ in range(3):
            before = ended(big, batch["url"])
            job = small.post("/v1/jobs", json=JOB).json()
            view = small.get(job["url"], params={"wait_s": 20}).json()
            assert view["status"] == "succeeded"
            assert ended(big, batch["url"]) - before <= AHEAD
        # The backlog was there all the time.
        assert ended(big, batch["url"]) < BACKLOG - AT_ONCE
        big.delete(batch["url"])
