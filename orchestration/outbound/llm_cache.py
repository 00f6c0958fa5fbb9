"""Answers that were had before, for nothing: by the digest of all that is asked, for each tenant apart.

An answer is kept as soon as it came, so a worker that is killed before its attempt is recorded does not pay twice.
That the stage has accepted it, or has not, is recorded with the attempt; see `pipeline.answers`.
"""

import json
import logging
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from hashlib import sha256

from orchestration.outbound.llm_exchange import Ask, Exchange, Layer
from pipeline.answers import Answer, AnswerRecords, KeptAnswer
from pipeline.errors import RecordsUnavailable
from stages.contract import Clock, Completion, Scope
from stages.contract.nouns import Usage

log = logging.getLogger(__name__)

VERSION = 1
"""Of what a digest is made of."""
UNASKED = ("caller", "on_text")
"""What of an `Ask` makes no difference to the answer."""


@dataclass(frozen=True, slots=True)
class CachedEndpoint(Layer):
    """Implements `Endpoint` around another one."""

    records: AnswerRecords
    clock: Clock
    max_age_s: float

    def exchange(self, ask: Ask, scope: Scope) -> Exchange:
        """Look, and ask only if there is no answer. Raises as the inner one, or `RecordsUnavailable`."""
        digest = digest_of(ask, self.endpoint)
        since = self.clock.now() - timedelta(seconds=self.max_age_s)
        kept = self.records.answer(ask.caller, digest, since)
        exchange = self.inner.exchange(ask, scope) if kept is None else _from_cache(kept)
        if isinstance(exchange.outcome, Completion):
            ask.caller.meter.answers.append(digest)
            if kept is None:
                self._keep(ask, digest, exchange, exchange.outcome)
        return exchange

    def _keep(self, ask: Ask, digest: str, exchange: Exchange, completion: Completion) -> None:
        """The answer is paid for: it goes on even where it cannot be kept."""
        usage = exchange.usage
        answer = Answer(
            completion.text, completion.model, usage.input_tokens, usage.output_tokens, exchange.is_estimated
        )
        try:
            self.records.keep_answer(ask.caller, digest, answer, self.clock.now())
        except RecordsUnavailable as error:
            log.warning("an answer is not kept: %s", error)


def _from_cache(kept: KeptAnswer) -> Exchange:
    answer = kept.answer
    taken = Usage(input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)
    completion = Completion(answer.text, answer.model)
    if not kept.is_paid:
        return Exchange(completion, taken, is_estimated=answer.is_estimated)
    saved_tokens = answer.input_tokens + answer.output_tokens
    free = Usage(input_tokens=0, output_tokens=0, cached=True, saved_tokens=saved_tokens)
    return Exchange(completion, free, saved=taken)


def digest_of(ask: Ask, endpoint: str) -> str:
    """The same 64 characters for questions that are the same to the last letter."""
    said = {field.name: getattr(ask, field.name) for field in fields(ask) if field.name not in UNASKED}
    return sha256(json.dumps([VERSION, endpoint, said], default=asdict, sort_keys=True).encode()).hexdigest()
