"""What a host's robots.txt allows, after RFC 9309. One copy serves all workers."""

import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from threading import Lock
from urllib.parse import urlsplit

from protego import Protego

from orchestration.outbound.hosts import HostStates
from orchestration.outbound.http import HttpLimits
from stages.contract import Awaited, Clock, Fetched, Http, Permanent, Postponed, Scope
from stages.web import DEFAULT_RATE_LIMIT_DELAY_S, origin_of, retry_after_s

MAX_BYTES = 500 * 1024
"""What is read of a robots.txt (RFC 9309, section 2.5); what comes after is ignored."""
FRESH_S = 3600.0
"""For how long a copy is not asked for again."""
KEPT_S = 24 * 3600.0
"""For how long it stands in for one that cannot be had (section 2.4)."""
UNAVAILABLE_S = 60.0
"""For how long a host that fails to give one is left alone."""
MAX_CRAWL_DELAY_S = 60.0
"""More is taken for this much."""
FIRST_WAIT_S = 0.3
"""How long a visitor waits while another of this process asks; after that it comes back later."""
MAX_PARSED = 256
ROBOTS_LIMITS = HttpLimits(
    read_timeout_s=5.0, total_timeout_s=10.0, max_decoded_bytes=4 * MAX_BYTES, cut_at_bytes=MAX_BYTES
)
"""For the client that asks for it."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A robots.txt as it was fetched."""

    text: str
    """Empty where there is none: everything is allowed."""
    fetched_at: datetime
    retry_at: datetime | None = None
    """Set where the host failed to give one: when to ask again."""
    is_known: bool = True
    """Whether `text` is what the host once said; otherwise nothing is allowed for now."""

    def to_bytes(self) -> bytes:
        moments = [self.fetched_at.isoformat(), self.retry_at and self.retry_at.isoformat()]
        return json.dumps([self.text, *moments, self.is_known]).encode()

    @classmethod
    def from_bytes(cls, kept: bytes) -> "Copy":
        text, fetched_at, retry_at, is_known = json.loads(kept)
        return cls(text, datetime.fromisoformat(fetched_at), retry_at and datetime.fromisoformat(retry_at), is_known)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a robots.txt says to one user agent."""

    parsed: Protego
    agent: str

    def allow(self, url: str) -> bool:
        return bool(self.parsed.can_fetch(url, self.agent))

    @property
    def crawl_delay_s(self) -> float:
        """Between two visits, in seconds; 0 where it does not say."""
        delay_s = self.parsed.crawl_delay(self.agent)
        return 0.0 if delay_s is None else min(max(float(delay_s), 0.0), MAX_CRAWL_DELAY_S)


class Robots:
    """Reads robots.txt, each once an hour for all workers.

    - `agent`: the product token that rules are looked up by.
    - `is_obeyed`: False for an installation that looks at none; a visitor may be exempt, too.
    - `http`: reads no more than `MAX_BYTES`, within a short time.
    """

    def __init__(
        self, http: Http, states: HostStates, agent: str, clock: Clock, random: Random, *, is_obeyed: bool = True
    ) -> None:
        self._http = http
        self._states = states
        self._agent = agent
        self._clock = clock
        self._random = random
        self._is_obeyed = is_obeyed
        self._parsed: OrderedDict[str, tuple[str, Rules]] = OrderedDict()
        self._asking: dict[str, Lock] = {}
        self._lock = Lock()

    def welcome(self, url: str, scope: Scope) -> float:
        """The Crawl-delay of a host that allows the scope's visitor this URL, in seconds; 0 for none.

        Raises `Permanent` with `robots_denied`, and what `rules` raises.
        """
        if not (self._is_obeyed and scope.visitor.obeys_robots):
            return 0.0
        rules = self.rules(url, scope)
        if not rules.allow(url):
            raise Permanent("robots_denied")
        return rules.crawl_delay_s

    def rules(self, url: str, scope: Scope) -> Rules:
        """The rules for a URL's origin.

        A host that says there is none (4xx) allows everything; so does one whose robots.txt is of no use, as when it
        redirects for ever: whether its pages can be had shows when they are fetched. Raises `Postponed` with
        `robots_unavailable` where the host fails to say (5xx, 429) and never did before, `Awaited` while another
        visitor asks, and the `Transient` errors of a host that cannot be reached.
        """
        where = urlsplit(url)
        origin = origin_of(url)
        name = f"{where.scheme}://{origin.host}:{origin.port}"
        copy = self._copy(name, f"{where.scheme}://{where.netloc}/robots.txt", scope)
        if not copy.is_known:
            raise Postponed("robots_unavailable", delay_s=self._until(copy.retry_at))
        return self._read(name, copy.text)

    def _copy(self, name: str, url: str, scope: Scope) -> Copy:
        if (copy := self._kept(name)) is not None and self._is_fresh(copy):
            return copy
        asking = self._asking_of(name)
        if not asking.acquire(timeout=FIRST_WAIT_S):
            raise Awaited("robots_awaited", delay_s=self._random.uniform(0.5, 1.5))
        try:
            copy = self._kept(name)
            return copy if copy is not None and self._is_fresh(copy) else self._asked(name, url, copy, scope)
        finally:
            asking.release()

    def _kept(self, name: str) -> Copy | None:
        kept = self._states.robots(name)
        return None if kept is None else Copy.from_bytes(kept)

    def _is_fresh(self, copy: Copy) -> bool:
        now = self._clock.now()
        return now < copy.retry_at if copy.retry_at else (now - copy.fetched_at).total_seconds() < FRESH_S

    def _asked(self, name: str, url: str, old: Copy | None, scope: Scope) -> Copy:
        copy = self._judged(self._fetched(url, scope), old)
        self._states.keep_robots(name, copy.to_bytes(), KEPT_S if copy.is_known else UNAVAILABLE_S)
        return copy

    def _fetched(self, url: str, scope: Scope) -> Fetched | None:
        try:
            return self._http.get(url, scope)
        except Permanent:
            return None

    def _judged(self, answer: Fetched | None, old: Copy | None) -> Copy:
        now = self._clock.now()
        if answer is None or (400 <= answer.status < 500 and answer.status != 429):
            return Copy("", now)
        if 200 <= answer.status < 300:
            return Copy(answer.body[:MAX_BYTES].decode("utf-8", "replace"), now)
        delay_s = retry_after_s(answer.headers, now) or UNAVAILABLE_S
        retry_at = now + timedelta(seconds=min(delay_s, UNAVAILABLE_S))
        if old is not None and old.is_known and (now - old.fetched_at).total_seconds() < KEPT_S:
            return replace(old, retry_at=retry_at)
        return Copy("", now, retry_at, is_known=False)

    def _until(self, at: datetime | None) -> float:
        left_s = DEFAULT_RATE_LIMIT_DELAY_S if at is None else (at - self._clock.now()).total_seconds()
        return max(1.0, left_s) + self._random.uniform(0, 5)

    def _asking_of(self, name: str) -> Lock:
        with self._lock:
            if len(self._asking) > MAX_PARSED:
                self._asking = {name: lock for name, lock in self._asking.items() if lock.locked()}
            return self._asking.setdefault(name, Lock())

    def _read(self, name: str, text: str) -> Rules:
        """Parsed once in each process, for as long as it says the same."""
        with self._lock:
            known = self._parsed.get(name)
        if known is None or known[0] != text:
            known = (text, Rules(Protego.parse(text), self._agent))
            with self._lock:
                self._parsed[name] = known
                if len(self._parsed) > MAX_PARSED:
                    self._parsed.popitem(last=False)
        return known[1]
