"""Settings become services. The only place that knows which adapter stands behind which port."""

import importlib
import os
import socket
from collections.abc import Callable
from functools import cached_property
from random import SystemRandom

from celery import Celery

from orchestration.batches import BatchDesk, BatchWork
from orchestration.budget_watch import BudgetWatch
from orchestration.budgets import BudgetDesk
from orchestration.bulk import BulkDesk, BulkWork
from orchestration.celery_app import ANSWERING, Patience, create_app
from orchestration.digests import DigestWork
from orchestration.expansion import SourceWork
from orchestration.gate import Gate
from orchestration.keeper import Keeper
from orchestration.keys import KeyDesk, KeyRing
from orchestration.launcher import Launcher
from orchestration.leases import LeaseThread
from orchestration.operating import QueueDesk
from orchestration.outbound.breakers_overview import BreakerDesk
from orchestration.outbound.post import GuardedPost
from orchestration.page_retention import PageRetirement
from orchestration.queues import Queues, answering, queues_of
from orchestration.quotas import QuotaBook, RequestCounter, counter_at
from orchestration.retention import Retirement
from orchestration.runs import Reruns
from orchestration.schedules import ScheduleDesk, ScheduleWork
from orchestration.sealing import sealer_of
from orchestration.settings import Settings
from orchestration.storage.engine import PATIENCE_S
from orchestration.storage.payload_folder import PayloadFolder
from orchestration.storage.records import SqlRecords
from orchestration.streams.announcer import RedisAnnouncer
from orchestration.streams.completion import Completion
from orchestration.streams.deltas import RedisDeltas
from orchestration.streams.hub import Hub
from orchestration.submit import Desk
from orchestration.tasks import register_tasks
from orchestration.transport.urls import Target, read_url
from orchestration.webhooks.desk import WebhookDesk
from orchestration.webhooks.dispatcher import Dispatcher
from orchestration.webhooks.sender import Sender
from orchestration.wiring_outbound import OutboundWiring
from pipeline.attempt import Services
from pipeline.clock import SystemClock
from pipeline.composition import Catalog
from pipeline.errors import NoCatalog
from pipeline.offer import Offer
from pipeline.ports import Retention
from pipeline.tenants import Allowance


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


def catalog_of(settings: Settings) -> Catalog:
    """What this deployment offers. Raises `NoCatalog`."""
    catalog = load_catalog(settings.catalog)
    return catalog if settings.render else catalog.without_render()


class Wiring(OutboundWiring):
    """The services of one process, each made at its first use and so never inherited through a fork."""

    def __init__(
        self, settings: Settings, patience: Patience = ANSWERING, *, records_patience_s: float = PATIENCE_S
    ) -> None:
        """How long this process waits: `patience` for the broker, `records_patience_s` for the database, in seconds."""
        self.settings = settings
        self._patience = patience
        self._records_patience_s = records_patience_s
        self.clock = SystemClock()
        self.random = SystemRandom()

    @cached_property
    def catalog(self) -> Catalog:
        return catalog_of(self.settings)

    @cached_property
    def records(self) -> SqlRecords:
        return SqlRecords(self.settings.sql_url, patience_s=self._records_patience_s)

    @cached_property
    def payloads(self) -> PayloadFolder:
        return PayloadFolder(self.settings.payload_root)

    @cached_property
    def gate(self) -> Gate:
        """Whether this process may begin what it is handed."""
        return Gate()

    @cached_property
    def app(self) -> Celery:
        app = create_app(self.settings, self.catalog.stages.values(), self._patience)
        register_tasks(app, self.catalog, lambda: self.services, self.gate)
        return app

    @property
    def offer(self) -> Offer:
        settings = self.settings
        return Offer(
            models=(settings.llm_model, *settings.llm_other_models) if settings.has_llm else (),
            custom_prompts=settings.llm_custom_prompts,
            max_prompt_chars=settings.llm_max_prompt_chars,
        )

    @cached_property
    def desk(self) -> Desk:
        """For processes that accept jobs."""
        return Desk(
            catalog=self.catalog,
            records=self.records,
            payloads=self.payloads,
            app=self.app,
            announcer=self.announcer,
            clock=self.clock,
            random=self.random,
            job_deadline_s=self.settings.job_deadline_s,
            offer=self.offer,
            allowed=self._allowed,
            find_webhook=self.records.webhook_named,
        )

    @cached_property
    def reruns(self) -> Reruns:
        """For processes that run finished jobs again."""
        deadline_s = self.settings.job_deadline_s
        return Reruns(self.records, self.app, self.announcer, self.clock, deadline_s, self.offer, self._allowed)

    @cached_property
    def bulk(self) -> BulkDesk:
        """For processes that ask for actions on many jobs."""
        return BulkDesk(self.records, self.clock, self.random, self.offer)

    @cached_property
    def batches(self) -> BatchDesk:
        """For processes that accept batches."""
        return BatchDesk(self.records, self.desk)

    @cached_property
    def schedules(self) -> ScheduleDesk:
        """For processes that are asked for schedules."""
        return ScheduleDesk(self.records, self.desk)

    @cached_property
    def key_desk(self) -> KeyDesk:
        """For processes that make and revoke API keys."""
        return KeyDesk(self.records, self.clock, self.random)

    @cached_property
    def key_ring(self) -> KeyRing:
        """For processes that are shown API keys."""
        return KeyRing(self.records, self.clock)

    @cached_property
    def quotas(self) -> QuotaBook:
        """What tenants may use."""
        return QuotaBook(self.records, self.clock, self.settings.quotas)

    @cached_property
    def request_counter(self) -> RequestCounter:
        """For processes that serve requests."""
        return counter_at(self.settings.redis_url, self.clock)

    def _allowed(self, tenant_id: str) -> Allowance:
        return self.quotas.of(tenant_id).allowance

    @cached_property
    def queues(self) -> Queues:
        return queues_of(self.app, tuple(self.catalog.stages))

    @cached_property
    def queue_desk(self) -> QueueDesk:
        """For processes that operators ask."""
        return QueueDesk(self.catalog, self.records, self.queues, self.clock)

    @cached_property
    def webhooks(self) -> WebhookDesk:
        """For processes that are asked for webhooks."""
        return WebhookDesk(self.records, lambda: sealer_of(self.settings), self.clock, self.random)

    def dispatcher(self) -> Dispatcher:
        """For the process that sends to webhooks. Raises `NoSecretKey`."""
        settings = self.settings
        post = GuardedPost(user_agent=settings.agent, allow_networks=settings.allow_networks)
        sender = Sender(self.records, post, sealer_of(settings), self.clock, self.random)
        return Dispatcher(self.records, sender.send, self.random)

    @cached_property
    def keeper(self) -> Keeper:
        """For the process that keeps house."""
        return Keeper(
            self.records,
            self.app,
            self.clock,
            self.queues,
            name=f"{socket.gethostname()}:{os.getpid()}",
            lease_s=self.settings.lease_s,
            relaunch_after_s=self.settings.relaunch_after_s,
            fire=ScheduleWork(self.records, self.desk).turn,
            batch=self._about_batches(),
            act=BulkWork(self.records, self.app, self.clock, self.reruns).turn,
            retire=self._retiring(),
            budget=BudgetWatch(self.records, self.settings.llm_limits).turn,
            announce=Completion(self.records, self.announcer, self.clock).turn,
        )

    def _about_batches(self) -> Callable[[], int]:
        cancelling, sources = BatchWork(self.records, self.announcer, self.clock), SourceWork(self.records, self.desk)
        digests = DigestWork(self.records, self.desk)
        return lambda: cancelling.turn() + sources.turn() + digests.turn()

    def launcher(self) -> Launcher:
        """For the process that keeps house, beside its keeper."""
        keeper = self.keeper
        return Launcher(self.records, self.app, self.announcer, self.clock, is_leading=lambda: keeper.is_leading)

    def _retiring(self) -> Callable[[], int]:
        jobs, pages = self._retirement(), self._page_retirement()
        return lambda: jobs.turn() + pages.turn()

    def _page_retirement(self) -> PageRetirement:
        kept_s, max_bytes = self.settings.retention_cache_s, self.settings.cache_max_bytes
        return PageRetirement(self.records, self.payloads, self.clock, kept_s=kept_s, max_bytes=max_bytes)

    def _retirement(self) -> Retirement:
        older = Retention(
            results_s=self.settings.retention_results_s,
            intermediates_s=self.settings.retention_intermediates_s,
            dead_letters_s=self.settings.retention_dead_letters_s,
        )
        grace_s = self.settings.orphan_grace_s
        return Retirement(
            self.records,
            self.payloads,
            self.clock,
            older,
            orphan_grace_s=grace_s,
            answers_s=self.settings.llm_cache_s,
        )

    @cached_property
    def announcer(self) -> RedisAnnouncer:
        return RedisAnnouncer(self._event_server, self.clock, kept=self.settings.events_kept)

    @cached_property
    def deltas(self) -> RedisDeltas:
        """For processes that run stages."""
        return RedisDeltas(self._event_server, self.clock)

    def hub(self) -> Hub:
        """For one event loop that has subscribers."""
        return Hub(self._event_server, kept=self.settings.events_kept)

    @property
    def _event_server(self) -> Target:
        return read_url(self.settings.redis_url)

    @cached_property
    def leases(self) -> LeaseThread:
        return LeaseThread(self.records, lease_s=self.settings.lease_s)

    @cached_property
    def breaker_desk(self) -> BreakerDesk:
        """For processes that operators ask."""
        return BreakerDesk(self.settings.redis_url)

    @cached_property
    def services(self) -> Services:
        """For processes that run stages."""
        return Services(
            catalog=self.catalog,
            records=self.records,
            payloads=self.payloads,
            leases=self.leases,
            breakers=self.breakers,
            announcer=self.announcer,
            deltas=self.deltas,
            outbound=self.outbound(),
            clock=self.clock,
            random=self.random,
        )

    @cached_property
    def budget_desk(self) -> BudgetDesk:
        """For processes that are asked for budgets."""
        return BudgetDesk(self.records, self.settings.llm_limits, self.clock)

    def check_broker(self) -> None:
        """Raise `BrokerUnavailable` unless the broker answers."""
        with answering(self.app):
            pass

    def close(self) -> None:
        """Release what was made; what was not made is not made now."""
        for name in ("leases", "isolation", "app", "announcer", "deltas", "records"):
            if name in self.__dict__:
                getattr(self, name).close()
