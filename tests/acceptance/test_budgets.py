"""A job that no budget has room for waits, and goes on as soon as there is room."""

import subprocess
import sys

import pytest

from tests.support.articles import text_with
from tests.support.hosts import MarkedLlm
from tests.support.openai_server import answer
from tests.support.stack import live_stack, outcomes, stage_of
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(120), pytest.mark.full]

PRICES = '{"currency": "EUR", "models": {"m": {"input": "1", "output": "1"}}}'


def test_a_job_waits_for_a_budget_and_goes_on_when_it_is_raised() -> None:
    with (
        MarkedLlm() as llm,
        live_stack(
            llm_base_url=llm.base_url, llm_model="m", llm_prices=PRICES, llm_tenant_budget_day="0.0001"
        ) as stack,
    ):
        llm.when("mark-of-a-budget", answer())
        job_id = stack.submit(text=text_with("mark-of-a-budget"))

        def summarize() -> dict[str, object]:
            return stage_of(stack.job(job_id), "summarize")

        until(lambda: "postponed" in outcomes(summarize()), within_s=30, what="the job to wait for the budget")
        assert summarize()["error"]["code"] == "budget_exhausted"  # type: ignore[index]
        assert llm.hits("mark-of-a-budget") == 0
        raise_budget(str(stack.data_dir))
        view = stack.wait(job_id)
        assert (view["status"], view["usage"]["cost"], view["usage"]["currency"]) == ("succeeded", "0.000018", "EUR")
        budgets = stack.client.get("/v1/usage").json()["budgets"]
        assert [(each["limit"], each["used"]) for each in budgets] == [("5.000000", "0.000018")]


def raise_budget(data_dir: str) -> None:
    command = [sys.executable, "-m", "api", "budgets", "set", "default", "--day", "5"]
    subprocess.run(command, check=True, env={"PENSTOCK_DATA_DIR": data_dir, "PATH": "/usr/bin:/bin"}, timeout=60)
