"""Settings become services. The only place that knows which adapter stands behind which port."""

import importlib
from functools import cached_property, partial
from random import SystemRandom

from celery import Celery

from orchestration.celery_app import create_app
from orchestration.keeper import Keeper
from orchestration.leases import LeaseThread
from orchestration.outbound.breakers import LocalBreakers
from orchestration.outbound.http import GuardedHttp, HttpLimits
from orchestration.outbound.isolation import IsolationLimits, ProcessIsolation
from orchestration.outbound.llm import OpenAiChat
from orchestration.queues import with_messages
from orchestration.settings import Settings
from orchestration.storage.payload_folder import PayloadFolder
from orchestration.storage.records import SqlRecords
from orchestration.submit import Desk
from orchestration.tasks import register_tasks
from pipeline.attempt import Services
from pipeline.clock import SystemClock
from pipeline.composition import Catalog
from pipeline.errors import NoCatalog
from pipeline.ports import Outbound

PARSING_MODULES = ("stages.extraction.article",)
"""Imported once by the process that parsing children are forked from."""


NO_KEY = "none"
"""What servers without keys are sent: the SDK insists on one."""


def load_catalog(path: str) -> Catalog:
    """Import a catalog by `module:name`. Raises `NoCatalog`."""
    module, _, name = path.partition(":")
    try:
        catalog = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise NoCatalog(path, str(error)) from error
    if not isinstance(catalog, Catalog):
        raise NoCatalog(path, "it is not a Catalog")
    return catalog


class Wiring:
    """The services of one process, each made at its first use and so never inherited through a fork."""

    def __init__(self, settings: Settings, *, publish_patience_s: float = 0.0) -> None:
        """`publish_patience_s` is how long a publisher of this process may wait for the broker."""
        self.settings = settings
        self._publish_patience_s = publish_patience_s
        self.clock = SystemClock()
        self.random = SystemRandom()

    @cached_property
    def catalog(self) -> Catalog:
        return load_catalog(self.settings.catalog)

    @cached_property
    def records(self) -> SqlRecords:
        return SqlRecords(self.settings.sql_url)

    @cached_property
    def payloads(self) -> PayloadFolder:
        return PayloadFolder(self.settings.payload_root)

    @cached_property
    def app(self) -> Celery:
        app = create_app(self.settings, self.catalog.stages.values(), publish_patience_s=self._publish_patience_s)
        register_tasks(app, self.catalog, lambda: self.services)
        return app

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
    def desk(self) -> Desk:
        """For processes that accept jobs."""
        return Desk(
            catalog=self.catalog,
            records=self.records,
            payloads=self.payloads,
            app=self.app,
            clock=self.clock,
            random=self.random,
            job_deadline_s=self.settings.job_deadline_s,
        )

    @cached_property
    def keeper(self) -> Keeper:
        """For the process that keeps house."""
        return Keeper(
            self.records,
            self.app,
            self.clock,
            in_line=partial(with_messages, self.app, self.catalog.stages),
            lease_s=self.settings.lease_s,
            relaunch_after_s=self.settings.relaunch_after_s,
        )

    @cached_property
    def leases(self) -> LeaseThread:
        return LeaseThread(self.records, lease_s=self.settings.lease_s)

    @cached_property
    def services(self) -> Services:
        """For processes that run stages."""
        return Services(
            catalog=self.catalog,
            records=self.records,
            payloads=self.payloads,
            leases=self.leases,
            breakers=LocalBreakers(
                self.clock,
                self.random,
                fail_max=self.settings.breaker_fail_max,
                reset_timeout_s=self.settings.breaker_reset_s,
            ),
            outbound=Outbound(http=self._http(), llm=self._llm(), isolate=self.isolation),
            clock=self.clock,
            random=self.random,
        )

    def _http(self) -> GuardedHttp:
        settings = self.settings
        limits = HttpLimits(
            connect_timeout_s=settings.fetch_connect_timeout_s,
            read_timeout_s=settings.fetch_read_timeout_s,
            total_timeout_s=settings.fetch_total_timeout_s,
            max_redirects=settings.fetch_max_redirects,
            max_wire_bytes=settings.fetch_max_wire_bytes,
            max_decoded_bytes=settings.fetch_max_decoded_bytes,
        )
        return GuardedHttp(user_agent=settings.user_agent, limits=limits, allow_networks=settings.allow_networks)

    def _llm(self) -> OpenAiChat | None:
        settings = self.settings
        if not settings.has_llm:
            return None
        return OpenAiChat(
            base_url=settings.llm_base_url,
            api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else NO_KEY,
            model=settings.llm_model,
            max_input_chars=settings.llm_max_input_chars,
        )

    def check_broker(self) -> None:
        """Raise `BrokerUnavailable` unless the broker answers."""
        with_messages(self.app, ())

    def close(self) -> None:
        """Release what was made; what was not made is not made now."""
        for name in ("leases", "isolation", "app", "records"):
            if name in self.__dict__:
                getattr(self, name).close()
