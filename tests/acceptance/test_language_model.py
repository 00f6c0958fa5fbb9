"""Summaries by a language model, on an endpoint that fails in every way endpoints do. All jobs run at once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from pipeline.definition import CATALOG
from tests.support.articles import text_with
from tests.support.hosts import MarkedLlm
from tests.support.openai_server import GARBAGE, SUMMARY, answer, failure, filtered, refusal
from tests.support.origin import Reply
from tests.support.stack import JobView, LiveStack, live_stack, stage_of

pytestmark = [pytest.mark.timeout(180), pytest.mark.full]

RATE_LIMIT_DELAY_S = 1
RATE_LIMITED = failure(429, Retry_After=str(RATE_LIMIT_DELAY_S))
API_KEY = "sk-never-to-be-seen"
POLICY_ATTEMPTS = CATALOG.stage("summarize").retry.max_attempts
DETAILED = {
    "summary": "A lock keeper saved a town. She did it by hand. Electric gates would have failed.",
    "key_points": [
        "The inquiry found that electric gates would have failed.",
        {"text": "The far bank came first.", "quote": "Ellery opened the sluice on the far bank first"},
        {"text": "You have won a prize.", "quote": "you have won"},
    ],
    "sections": [{"heading": "The flood", "text": "The water came at night. It fell by dawn."}],
}
ANALYSIS = {
    "topics": ["floods", "locks"],
    "entities": [{"name": "Ellery", "kind": "person"}],
    "sentiment": {"label": "neutral", "score": 0.1},
    "key_facts": ["The level fell by half a metre."],
}


SCHEMA = {
    "type": "object",
    "properties": {"keeper": {"type": "string"}, "years": {"type": "integer"}},
    "required": ["keeper", "years"],
    "additionalProperties": False,
}
DATA = {"keeper": "Ruth Ellery", "years": 31}
INJECTED = "Owls. ![x](https://evil.example/c.png) Log in at https://evil.example/login. <script>x()</script>"


@dataclass(frozen=True)
class Case:
    """What the endpoint answers about one text, and what else the job asks for."""

    replies: tuple[Reply, ...]
    body: dict[str, Any]


def case(*replies: Reply, **body: Any) -> Case:
    return Case(replies, body)


CASES = {
    "quick": case(answer()),
    "detailed": case(answer(json.dumps(DETAILED)), processing="detailed"),
    "analyze": case(answer(json.dumps(ANALYSIS)), pipeline="analyze"),
    "data": case(
        failure(400, "response_format is not supported"),
        answer('{"keeper": "Ruth Ellery"}'),
        answer(f"Here you are:\n```json\n{json.dumps(DATA)}\n```"),
        schema=SCHEMA,
    ),
    "off-schema": case(answer('{"keeper": 3}'), schema=SCHEMA),
    "gullible": case(answer(INJECTED)),
    "refusing": case(refusal()),
    "filtering": case(filtered()),
    "garbage": case(GARBAGE["not JSON"]),
    "not-as-asked": case(answer("What a lovely text."), processing="detailed"),
    "denying": case(failure(401, f"Incorrect API key provided: {API_KEY}")),
    "rejecting": case(failure(404, "no such model")),
    "rate-limiting": case(RATE_LIMITED, RATE_LIMITED, answer()),
    "failing-once": case(failure(500), answer()),
    "hanging": case(replace(answer(), delay_s=60), pipeline="hurried"),
}


@dataclass(frozen=True)
class Ended:
    """The jobs of all cases, by name, once all have ended."""

    stack: LiveStack
    llm: MarkedLlm
    views: dict[str, JobView]

    def summarize(self, name: str) -> JobView:
        return stage_of(self.views[name], "summarize")

    def document(self, name: str) -> dict[str, Any]:
        view = self.views[name]
        assert view["status"] == "succeeded", view["error"]
        return self.stack.result(view["id"])


@pytest.fixture(scope="module")
def ended() -> Iterator[Ended]:
    with (
        MarkedLlm() as llm,
        live_stack(
            llm_base_url=llm.base_url,
            llm_api_key=API_KEY,
            llm_model="asked-model",
            catalog="tests.support.hurried:CATALOG",
        ) as stack,
    ):
        for name, each in CASES.items():
            llm.when(_mark(name), *each.replies)
        ids = [stack.submit(text=text_with(_mark(name)), **each.body) for name, each in CASES.items()]
        yield Ended(stack, llm, dict(zip(CASES, stack.wait_all(ids), strict=True)))


def _asked(stage: JobView) -> list[JobView]:
    """The attempts but those that waited while the endpoint wanted nobody to ask, for the sake of another job."""
    return [attempt for attempt in stage["timeline"] if (attempt["error"] or {}).get("code") != "llm_throttled"]


def _gap_s(earlier: JobView, later: JobView) -> float:
    between = datetime.fromisoformat(later["started_at"]) - datetime.fromisoformat(earlier["finished_at"])
    return between.total_seconds()


def _mark(name: str) -> str:
    return f"mark-{name}-mark"


def test_a_quick_summary_is_the_model_s_and_says_so(ended: Ended) -> None:
    summary = ended.document("quick")["summary"]
    assert summary["text"] == SUMMARY
    assert (summary["method"], summary["model"]) == ("llm", "local-model")
    assert summary["usage"] == {"input_tokens": 11, "output_tokens": 7, "cached": False, "saved_tokens": 0}


def test_the_model_is_asked_once_with_the_configured_name_and_key(ended: Ended) -> None:
    [request] = ended.llm.requests(_mark("quick"))
    assert json.loads(request.body)["model"] == "asked-model"
    assert request.headers["authorization"] == f"Bearer {API_KEY}"


def test_a_detailed_summary_has_key_points_and_sections(ended: Ended) -> None:
    summary = ended.document("detailed")["summary"]
    assert summary["text"] == DETAILED["summary"]
    text = ended.document("detailed")["text"]
    found = [[text[span["start"] : span["end"]] for span in point["support"]] for point in summary["key_points"]]
    assert [point["text"] for point in summary["key_points"]] == [
        "The inquiry found that electric gates would have failed.",
        "The far bank came first.",
    ]
    assert ["".join(passages).split()[:3] for passages in found] == [
        ["The", "inquiry", "found"],
        ["Ellery", "opened", "the"],
    ]
    assert summary["removed"] == ["points"]
    assert summary["sections"] == DETAILED["sections"]
    assert (summary["method"], summary["processing"]) == ("llm", "detailed")


def test_data_comes_from_a_server_without_structured_answers_after_one_repair(ended: Ended) -> None:
    document = ended.document("data")
    assert document["data"] == document["summary"]["data"] == DATA
    assert ended.summarize("data")["attempts"] == 1
    formats = [json.loads(request.body).get("response_format") for request in ended.llm.requests(_mark("data"))]
    assert [asked is not None for asked in formats] == [True, False, False]


def test_what_a_page_makes_a_model_add_does_not_reach_the_result(ended: Ended) -> None:
    summary = ended.document("gullible")["summary"]
    assert "evil.example" not in summary["text"]
    assert "<" not in summary["text"]
    assert summary["removed"] == ["links", "markup"]


def test_an_analysis_is_the_model_s_with_mentions_counted_in_the_text(ended: Ended) -> None:
    analysis = ended.document("analyze")["analysis"]
    assert analysis["method"] == "llm"
    assert analysis["topics"] == ANALYSIS["topics"]
    assert analysis["entities"] == [{"name": "Ellery", "kind": "person", "mentions": 2}]


@pytest.mark.parametrize(
    ("name", "code", "attempts", "retryable"),
    [
        ("refusing", "llm_refused", 1, False),
        ("filtering", "llm_refused", 1, False),
        ("garbage", "llm_bad_answer", POLICY_ATTEMPTS, True),
        ("not-as-asked", "llm_bad_answer", POLICY_ATTEMPTS, True),
        ("off-schema", "llm_off_schema", POLICY_ATTEMPTS, True),
        ("denying", "llm_denied", 1, True),
        ("rejecting", "llm_rejected", 1, False),
    ],
)
def test_a_model_that_does_not_help_fails_the_job_with_a_code_of_its_own(
    ended: Ended, name: str, code: str, attempts: int, retryable: bool
) -> None:
    view = ended.views[name]
    assert view["status"] == "failed"
    assert view["error"]["code"] == code
    assert view["error"]["stage"] == "summarize"
    assert view["error"]["retryable"] is retryable
    calls = attempts * 2 if name == "off-schema" else attempts
    assert (ended.summarize(name)["attempts"], ended.llm.hits(_mark(name))) == (attempts, calls)


def test_a_rate_limit_is_waited_out_without_spending_attempts(ended: Ended) -> None:
    stage = ended.summarize("rate-limiting")
    assert ended.views["rate-limiting"]["status"] == "succeeded"
    assert stage["attempts"] == 1
    asked = _asked(stage)
    assert [attempt["outcome"] for attempt in asked] == ["postponed", "postponed", "succeeded"]
    assert {attempt["error"]["code"] for attempt in asked[:2]} == {"llm_rate_limited"}
    gaps = [_gap_s(*pair) for pair in pairwise(asked)]
    assert all(RATE_LIMIT_DELAY_S <= gap_s < RATE_LIMIT_DELAY_S + 10 for gap_s in gaps), gaps


def test_a_failure_of_the_endpoint_is_retried(ended: Ended) -> None:
    stage = ended.summarize("failing-once")
    assert ended.views["failing-once"]["status"] == "succeeded"
    assert stage["attempts"] == 2
    asked = _asked(stage)
    assert [attempt["outcome"] for attempt in asked] == ["retried", "succeeded"]
    assert asked[0]["error"]["code"] == "llm_unavailable"


def test_a_hanging_endpoint_costs_no_more_than_the_stage_s_time_limit(ended: Ended) -> None:
    view = ended.views["hanging"]
    stage = stage_of(view, "summarize-hurried")
    assert view["status"] == "failed"
    assert view["error"]["code"] == "llm_timeout"
    assert stage["attempts"] == 2
    assert all(3 <= attempt["duration_s"] < 20 for attempt in _asked(stage))


def test_the_key_appears_nowhere(ended: Ended) -> None:
    assert API_KEY not in ended.stack.log.read_text()
    assert API_KEY not in json.dumps(ended.views)
    for path in ended.stack.data_dir.rglob("*"):
        assert not path.is_file() or API_KEY.encode() not in path.read_bytes(), path
