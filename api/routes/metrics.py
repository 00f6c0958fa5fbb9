"""Figures for Prometheus, counted when it asks."""

from collections.abc import Iterator, Mapping

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.auth import MAY_ADMIN
from api.dependencies import Services
from api.routes.jobs import problems
from pipeline.job import JobState
from pipeline.ports import Tally
from pipeline.spending import Spent

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    dependencies=[MAY_ADMIN],
    response_class=Response,
    responses={200: {"content": {CONTENT_TYPE_LATEST: {}}, "description": "As Prometheus reads it."}, 503: problems},
)
def metrics(services: Services) -> Response:
    """Unfinished jobs, dead letters by error code and stage, and what language models cost; of all tenants."""
    registry = CollectorRegistry()
    registry.register(_Counted(services.records.tally()))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Counted(Collector):
    """What was counted, as metrics."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        unfinished = GaugeMetricFamily("penstock_jobs_unfinished", "Jobs that have not ended.", labels=["state"])
        for state in (JobState.QUEUED, JobState.RUNNING):
            unfinished.add_metric([state], self._tally.unfinished.get(state, 0))
        yield unfinished
        letters = GaugeMetricFamily(
            "penstock_dead_letters", "Failed jobs that nobody discarded.", labels=["code", "stage"]
        )
        for labels, count in sorted(self._tally.dead_letters.items()):
            letters.add_metric(labels, count)
        yield letters
        yield from _spending(self._tally.spent)


def _spending(by_model: Mapping[str, Spent]) -> Iterator[Metric]:
    calls = CounterMetricFamily("penstock_llm_calls", "Answers of language models.", labels=["model", "source"])
    tokens = CounterMetricFamily("penstock_llm_tokens", "Tokens paid for.", labels=["model", "direction"])
    cost = CounterMetricFamily("penstock_llm_cost_micros", "Millionths of the currency.", labels=["model"])
    saved = CounterMetricFamily("penstock_llm_saved_micros", "What the cache saved.", labels=["model"])
    for model, spent in sorted(by_model.items()):
        calls.add_metric([model, "endpoint"], spent.calls - spent.cached_calls)
        calls.add_metric([model, "cache"], spent.cached_calls)
        tokens.add_metric([model, "input"], spent.input_tokens)
        tokens.add_metric([model, "output"], spent.output_tokens)
        cost.add_metric([model], spent.micros)
        saved.add_metric([model], spent.saved_micros)
    yield from (calls, tokens, cost, saved)
