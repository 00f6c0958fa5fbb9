"""What a long document costs the process that works on it: memory and time beside the language model's.

    python -m tests.benchmarks.long_document [WORDS]

Runs attempts over records in memory and payloads in a folder, with a model that answers at once with 300 words. 200
pages are about 100,000 words, the default.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from orchestration.storage.payload_folder import PayloadFolder
from pipeline.composition import Catalog, begin, named
from pipeline.ids import StageKey
from pipeline.job import JobSource, JobState, StageState
from pipeline.outcome import Divided, Done
from stages.contract import Article, Completion, Message, Scope, Source, Tools, stage
from stages.contract.nouns import Usage
from stages.language_model.tokens import estimate_tokens
from stages.store import store
from stages.summarize import summarize
from tests.support.bench import Bench

WORDS = ("river", "gate", "keeper", "water", "winter", "valley", "bridge", "council", "record", "stone", "boat")
MIB = 1024


class Model:
    """Always says as much as it was asked for at most."""

    endpoint = "llm.test:443"
    max_input_tokens = 12_000

    def __init__(self) -> None:
        self.calls = 0
        self.largest = 0

    def on_behalf_of(self, _caller: object) -> "Model":
        return self

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    def complete(self, messages: Sequence[Message], _scope: Scope, **_about: Any) -> Completion:
        self.calls += 1
        self.largest = max(self.largest, estimate_tokens(messages[1].content))
        return Completion(text="Notes of it. " * 100, model="m", usage=Usage(input_tokens=1, output_tokens=1))


@stage("read")
def read(source: Source, _tools: Tools) -> Article:
    text = (source.body or b"").decode()
    return Article(text=text, markdown=text, title="A book", word_count=len(text.split()))


def book(words: int) -> bytes:
    random = Random(1)
    sentences = [" ".join(random.choices(WORDS, k=20)).capitalize() + "." for _ in range(words // 20)]
    paragraphs = (" ".join(sentences[start : start + 6]) for start in range(0, len(sentences), 6))
    return "\n\n".join(paragraphs).encode()


def run(words: int) -> None:
    model = Model()
    bench = Bench(Catalog([named("book", begin(read).then(summarize).then(store))]), llm=model)
    bench.payloads.inner = PayloadFolder(Path(tempfile.mkdtemp()))
    body = bench.payloads.inner.put("default/body", book(words), "text/plain")
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    job = bench.accept(source=JobSource(body=body))
    bench.attempt(job, "read")
    pending, parts = [0], 0
    while pending:
        outcome = bench.attempt_key(StageKey(job.id, 1, "summarize", pending.pop(0)))
        assert isinstance(outcome, Divided | Done), outcome
        if isinstance(outcome, Divided):
            pending += [piece.key.part for piece in outcome.division.ready] or [0] * outcome.division.is_done
            parts = max(parts, outcome.division.count.total)
    assert bench.stage(job, "summarize").state is StageState.SUCCEEDED
    bench.attempt(job, "store")
    assert bench.read(job).state is JobState.SUCCEEDED
    took_s = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / MIB
    print(f"{words} words, {body.size / 2**20:.2f} MiB: {parts} parts, {model.calls} calls, ", end="")
    print(f"the largest of {model.largest} tokens; {took_s:.2f} s; peak RSS grew by {grown:.1f} MiB")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
