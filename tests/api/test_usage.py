"""What language models cost, as the API tells it."""

from pipeline.budgets import Budget, Period
from pipeline.job import DEFAULT_TENANT
from pipeline.spending import Spending, Spent
from tests.support.api import Api
from tests.support.tools import START

ASKED = Spent(1, input_tokens=1000, output_tokens=200, micros=720, currency="USD")
TODAY = START.date().isoformat()


def spend(api: Api, *, tenant_id: str = DEFAULT_TENANT, **by_model: Spent) -> str:
    """Have the first attempt at a new job spend this."""
    job_id = api.submit()
    api.records.spend(api.start(job_id, "fetch"), Spending(tenant_id, by_model), api.clock.now())
    return job_id


def test_a_job_says_what_it_and_its_attempts_cost(api: Api) -> None:
    job_id = spend(api, small=ASKED + Spent(1, cached_calls=1, saved_tokens=50, saved_micros=30))
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert job["usage"] == job["stages"][0]["timeline"][0]["usage"]
    assert job["usage"] == {
        "calls": 2,
        "cached_calls": 1,
        "input_tokens": 1000,
        "output_tokens": 200,
        "cost": "0.000720",
        "currency": "USD",
        "unpriced_calls": 0,
        "estimated_calls": 0,
        "saved_tokens": 50,
        "saved_cost": "0.000030",
    }


def test_a_job_that_asked_no_model_has_no_usage(api: Api) -> None:
    assert api.client.get(f"/v1/jobs/{api.submit()}").json()["usage"] is None


def test_models_without_a_price_cost_tokens(api: Api) -> None:
    job_id = spend(api, local=Spent(1, unpriced_calls=1, input_tokens=9, output_tokens=1))
    usage = api.client.get(f"/v1/jobs/{job_id}").json()["usage"]
    assert (usage["input_tokens"], usage["cost"], usage["currency"]) == (9, None, None)


def test_a_batch_says_what_its_jobs_cost(api: Api) -> None:
    batch = api.client.post("/v1/batches", json={"items": [{"text": "a"}, {"text": "b"}]}).json()
    assert batch["usage"] is None
    jobs = [job["id"] for job in api.client.get(f"/v1/batches/{batch['id']}/jobs").json()["items"]]
    assert api.keep() == 2
    for job_id in jobs:
        api.records.spend(api.start(job_id, "fetch"), Spending(DEFAULT_TENANT, {"small": ASKED}), api.clock.now())
    assert api.client.get(f"/v1/batches/{batch['id']}").json()["usage"]["cost"] == "0.001440"


def test_usage_by_day_and_by_model(api: Api) -> None:
    spend(api, small=ASKED, large=ASKED)
    spend(api, small=ASKED)
    by_day = api.client.get("/v1/usage").json()
    assert (by_day["to"], by_day["total"]["cost"]) == (TODAY, "0.002160")
    assert [(row["day"], row["model"], row["calls"]) for row in by_day["rows"]] == [(TODAY, None, 3)]
    by_model = api.client.get("/v1/usage?by=model").json()
    assert [(row["model"], row["day"], row["calls"]) for row in by_model["rows"]] == [
        ("large", None, 1),
        ("small", None, 2),
    ]
    assert api.client.get("/v1/usage?from=2025-12-01&to=2025-12-31").json()["rows"] == []


def test_usage_is_of_one_tenant(api: Api) -> None:
    spend(api, tenant_id="other", small=ASKED)
    assert api.client.get("/v1/usage").json()["rows"] == []


def test_days_have_to_be_in_order_and_not_too_many(api: Api) -> None:
    for query in ("from=2026-01-02&to=2026-01-01", "from=2024-01-01&to=2026-01-01", "from=today", "until=2026-01-01"):
        assert api.client.get(f"/v1/usage?{query}").status_code == 422, query


def test_metrics_count_what_was_paid(api: Api) -> None:
    spend(api, small=ASKED)
    told = api.client.get("/metrics").text
    assert 'penstock_llm_tokens_total{direction="input",model="small"} 1000.0' in told
    assert 'penstock_llm_cost_micros_total{model="small"} 720.0' in told


def test_a_tenant_sees_its_own_budgets(api: Api) -> None:
    assert api.client.get("/v1/usage").json()["budgets"] == []
    api.records.set_limit(DEFAULT_TENANT, Period.DAY, 2_500_000)
    api.records.set_limit("other", Period.DAY, 1)
    api.records.take([Budget(DEFAULT_TENANT, Period.DAY, 2_500_000)], 1_000_000, api.clock.now())
    assert api.client.get("/v1/usage").json()["budgets"] == [
        {"period": "day", "limit": "2.500000", "used": "1.000000", "renewed_at": "2026-01-03T00:00:00Z"}
    ]
