"""What stages reach the world through, made of settings: which adapter stands behind which port."""

from abc import ABC, abstractmethod
from functools import cached_property
from random import SystemRandom

from orchestration.outbound.breakers import CircuitBreakers
from orchestration.outbound.breakers_fallback import states_at
from orchestration.outbound.browser_found import browser_of
from orchestration.outbound.hosts import HostPace, HostStates
from orchestration.outbound.hosts_shared import hosts_at
from orchestration.outbound.http import GuardedHttp, HttpLimits
from orchestration.outbound.isolation import IsolationLimits, ProcessIsolation
from orchestration.outbound.llm import OpenAiChat
from orchestration.outbound.llm_breaker import GuardedEndpoint
from orchestration.outbound.llm_budget import BudgetedEndpoint
from orchestration.outbound.llm_cache import CachedEndpoint
from orchestration.outbound.llm_desk import LlmDesk
from orchestration.outbound.llm_exchange import Endpoint
from orchestration.outbound.llm_pace import PacedEndpoint
from orchestration.outbound.pace import Pace
from orchestration.outbound.pace_fallback import pace_at
from orchestration.outbound.page_cache import StoredPages
from orchestration.outbound.politeness import Etiquette, Manners, PoliteBrowser, PoliteHttp
from orchestration.outbound.robots import ROBOTS_LIMITS, Robots
from orchestration.settings import Settings
from orchestration.storage.payload_folder import PayloadFolder
from orchestration.storage.records import SqlRecords
from pipeline.cached_pages import DirectPages, PageCache
from pipeline.clock import SystemClock
from pipeline.outbound_ports import Outbound
from stages.contract import Browser, Http

PARSING_MODULES = (
    "stages.extraction.article",
    "stages.extraction.plain",
    "stages.extraction.pdf",
    "stages.extraction.feeds",
    "stages.extraction.warm",
)
"""Imported once by the process that parsing children are forked from."""
NO_KEY = "none"
"""What servers without keys are sent: the SDK insists on one."""


class OutboundWiring(ABC):
    """The part of `Wiring` for processes that run stages."""

    settings: Settings
    clock: SystemClock
    random: SystemRandom

    @property
    @abstractmethod
    def records(self) -> SqlRecords: ...

    @property
    @abstractmethod
    def payloads(self) -> PayloadFolder: ...

    @cached_property
    def isolation(self) -> ProcessIsolation:
        return ProcessIsolation(
            max_workers=self.settings.cpu_concurrency,
            preload=PARSING_MODULES,
            limits=IsolationLimits(
                timeout_s=self.settings.parse_timeout_s, memory_bytes=self.settings.parse_max_memory_bytes
            ),
        )

    @cached_property
    def breakers(self) -> CircuitBreakers:
        return CircuitBreakers(
            states_at(self.settings.redis_url, self.clock),
            self.random,
            fail_max=self.settings.breaker_fail_max,
            reset_timeout_s=self.settings.breaker_reset_s,
        )

    def outbound(self) -> Outbound:
        """The adapters of one process."""
        http = self._http()
        return Outbound(
            http=http, pages=self._pages(http), browser=self._browser(), llm=self._llm_desk(), isolate=self.isolation
        )

    @cached_property
    def _hosts(self) -> HostStates:
        return hosts_at(self.settings.redis_url, self.clock)

    @cached_property
    def _robots(self) -> Robots:
        settings = self.settings
        asked = GuardedHttp(user_agent=settings.agent, limits=ROBOTS_LIMITS, allow_networks=settings.allow_networks)
        agent = settings.user_agent.partition("/")[0]
        return Robots(asked, self._hosts, agent, self.clock, self.random, is_obeyed=settings.robots == "obey")

    def _etiquette(self) -> Etiquette:
        pace = HostPace(self.settings.host_interval_s, self.settings.host_concurrency)
        return Etiquette(self._robots, self._hosts, Manners(pace, self.settings.allow_networks))

    def _browser(self) -> Browser | None:
        browser = browser_of(self.settings, self._robots.welcome) if self.settings.render else None
        return None if browser is None else PoliteBrowser(browser, self._etiquette())

    def _pages(self, http: Http) -> PageCache:
        if not self.settings.cache_max_bytes:
            return DirectPages(http)
        variant = self.settings.user_agent
        return StoredPages(http, self.records, self.payloads, self.clock, self.random, variant=variant)

    def _http(self) -> PoliteHttp:
        settings = self.settings
        limits = HttpLimits(
            connect_timeout_s=settings.fetch_connect_timeout_s,
            read_timeout_s=settings.fetch_read_timeout_s,
            total_timeout_s=settings.fetch_total_timeout_s,
            max_redirects=settings.fetch_max_redirects,
            max_wire_bytes=settings.fetch_max_wire_bytes,
            max_decoded_bytes=settings.fetch_max_decoded_bytes,
        )
        pages = GuardedHttp(
            user_agent=settings.agent,
            limits=limits,
            allow_networks=settings.allow_networks,
            may_follow=self._robots.welcome,
        )
        return PoliteHttp(pages, self._etiquette())

    def _llm_desk(self) -> LlmDesk | None:
        chat, settings = self.llm(), self.settings
        if chat is None:
            return None
        endpoint: Endpoint = GuardedEndpoint(chat, self.breakers)
        endpoint = BudgetedEndpoint(
            endpoint, self.records, settings.llm_prices, settings.llm_limits, self.clock, self.random
        )
        pace = Pace(settings.llm_calls_per_minute, settings.llm_tokens_per_minute)
        endpoint = PacedEndpoint(endpoint, pace_at(settings.redis_url, self.clock), pace)
        if settings.llm_cache_s:
            endpoint = CachedEndpoint(endpoint, self.records, self.clock, settings.llm_cache_s)
        return LlmDesk(endpoint, settings.llm_prices)

    def llm(self) -> OpenAiChat | None:
        """Asks the language model; None where none is configured. Raises `ValueError` for a key that none can be."""
        settings = self.settings
        if not settings.has_llm:
            return None
        return OpenAiChat(
            base_url=settings.llm_base_url,
            api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else NO_KEY,
            model=settings.llm_model,
            max_input_tokens=settings.llm_max_input_tokens,
        )
