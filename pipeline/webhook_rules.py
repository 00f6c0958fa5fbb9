"""When a delivery is tried again, and when an endpoint is left alone. Rules; the records apply them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from random import Random

MINUTE_S, HOUR_S = 60.0, 3600.0
DELAYS_S = (5.0, 5 * MINUTE_S, 30 * MINUTE_S, *(hours * HOUR_S for hours in (2, 5, 10, 14, 20, 24)))
"""Between two tries; after the last one the delivery has failed. Three days in all."""
JITTER = 0.1
"""Share of a delay that is added at random."""
ASKING_FOR_PATIENCE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
MAX_PATIENCE_S = 24 * HOUR_S
"""That a Retry-After can ask for."""
FAILURES_TO_PAUSE = 5
"""In a row."""
PAUSE_S, MAX_PAUSE_S = 30.0, 10 * MINUTE_S
FAILING_FOR = timedelta(days=5)
"""Without one success, until the endpoint is disabled."""
GONE, FAILING = "gone", "failing"


@dataclass(frozen=True, slots=True)
class Try:
    """One request to an endpoint and how it was answered."""

    at: datetime
    duration_s: float
    status: int | None = None
    """Of the answer; None without one."""
    code: str | None = None
    """Why it does not count as delivered; None when it does."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a try."""

    tried: Try
    delay_s: float | None = None
    """Until the next try; None for no other."""
    patience_s: float = 0.0
    """That the endpoint asked for."""

    @property
    def is_delivered(self) -> bool:
        return self.tried.code is None

    @property
    def is_gone(self) -> bool:
        """Whether the endpoint says that it will never take anything again."""
        return self.tried.status == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint has done of late."""

    failures: int = 0
    """In a row."""
    failing_since: datetime | None = None
    """The first of them."""

    def after(self, verdict: Verdict) -> "Health":
        if verdict.is_delivered:
            return Health()
        return Health(self.failures + 1, self.failing_since or verdict.tried.at)

    @property
    def pause_s(self) -> float:
        """How long nothing is sent to it after its latest failure, in seconds.

        >>> [Health(failures).pause_s for failures in (0, 4, 5, 6, 7, 99)]
        [0.0, 0.0, 30.0, 60.0, 120.0, 600.0]
        """
        over = self.failures - FAILURES_TO_PAUSE
        return 0.0 if over < 0 else min(PAUSE_S * 2.0 ** min(over, 10), MAX_PAUSE_S)


def judge(tried: Try, attempts: int, retry_after_s: float | None, random: Random) -> Verdict:
    """What follows from a try, after so many that failed before."""
    if tried.code is None or tried.status == HTTPStatus.GONE or attempts >= len(DELAYS_S):
        return Verdict(tried)
    asked_s = retry_after_s if retry_after_s and tried.status in ASKING_FOR_PATIENCE else 0.0
    delay_s = DELAYS_S[attempts] * (1 + random.uniform(0, JITTER))
    return Verdict(tried, max(delay_s, asked_s), asked_s)


def why_disabled(health: Health, verdict: Verdict) -> str | None:
    """The reason to send nothing more to an endpoint whose health is this after a try; None for going on."""
    if verdict.is_gone:
        return GONE
    since = health.failing_since
    return FAILING if since is not None and verdict.tried.at - since >= FAILING_FOR else None


def code_of(status: int) -> str | None:
    """Why an answer does not count as delivered; None when it does.

    >>> [code_of(status) for status in (200, 204, 302, 410, 500)]
    [None, None, 'redirected', 'gone', 'not_accepted']
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "redirected"
    return GONE if status == HTTPStatus.GONE else "not_accepted"
