"""Asking the parts of a deployment how they are. Leaves everything as it was."""

import shutil
from collections.abc import Callable
from datetime import datetime
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from orchestration.doctor.facts import BrokerFacts, DatabaseFacts, LlmFacts, NoAnswer, PayloadFacts, Server, Work
from orchestration.keeper import LEADER
from orchestration.outbound.llm import OpenAiChat
from orchestration.storage.condition import condition_of
from orchestration.storage.payload_folder import PayloadFolder
from orchestration.storage.records import SqlRecords
from orchestration.storage.schema import REVISION
from orchestration.transport.connections import make_pool
from orchestration.transport.urls import read_url
from pipeline.errors import PayloadsUnavailable, RecordsUnavailable
from pipeline.webhooks import WebhookRecords
from stages.contract import Clock, Permanent, Scope, StageError

PATIENCE_S = 2.0
"""For one answer of the broker or the database."""
LLM_PATIENCE_S = 5.0
UNREADABLE = "the URL cannot be read"
"""Without the reason, which would quote the part that a password was taken for."""


def ask_broker(url: str, clock: Clock) -> BrokerFacts | NoAnswer:
    """What a Redis or Valkey server says about itself."""
    try:
        target = read_url(url)
    except ValueError:
        return NoAnswer(UNREADABLE)
    options = {"socket_connect_timeout": PATIENCE_S, "protocol": 2}
    with Redis(connection_pool=make_pool(target, options, timeout_s=PATIENCE_S)) as client:
        try:
            return BrokerFacts(_ahead_of(client, clock), _server(client))
        except (RedisError, OSError) as error:
            return NoAnswer(str(error) or type(error).__name__)
        finally:
            client.connection_pool.disconnect()


def _ahead_of(client: Any, clock: Clock) -> float:
    before = clock.now()
    seconds, microseconds = client.time()
    return _ahead_s(seconds + microseconds / 1e6, before, clock.now())


def _ahead_s(there_s: float, before: datetime, after: datetime) -> float:
    """How far a clock is ahead that was read between two looks at ours."""
    return there_s - (before.timestamp() + after.timestamp()) / 2


def _server(client: Any) -> Server | None:
    try:
        told = client.info()
    except ResponseError:
        return None
    return Server(
        version=str(told["redis_version"]),
        valkey_version=told.get("valkey_version"),
        appends=bool(told.get("aof_enabled")),
        snapshots=_saves(client),
        memory_policy=str(told.get("maxmemory_policy", "noeviction")),
        max_memory_bytes=int(told.get("maxmemory", 0)),
    )


def _saves(client: Any) -> bool | None:
    try:
        return bool(client.config_get("save").get("save"))
    except ResponseError:
        return None


def ask_database(url: str, clock: Clock) -> DatabaseFacts | NoAnswer:
    """What the records say, as far as their schema lets them."""
    before = clock.now()
    try:
        condition = condition_of(url, PATIENCE_S)
        ahead_s = _ahead_s(condition.now.timestamp(), before, clock.now())
        work = _work_at(url) if condition.revision == REVISION else None
    except ValueError:
        return NoAnswer(UNREADABLE)
    except RecordsUnavailable as error:
        return NoAnswer(str(error))
    return DatabaseFacts(ahead_s, condition.revision, REVISION, work)


def _work_at(url: str) -> Work:
    records = SqlRecords(url, pool_size=1, patience_s=PATIENCE_S)
    try:
        return work_in(records)
    finally:
        records.close()


def work_in(records: WebhookRecords) -> Work:
    """Who works, as the records have it. Raises `RecordsUnavailable`."""
    return Work(
        served=frozenset(stage for worker in records.workers() for stage in worker.stages),
        paused=frozenset(records.paused()),
        leader=records.leader(LEADER),
        unsent=len(records.due_webhooks()),
        has_budgets=bool(records.all_limits()),
    )


def ask_payloads(folder: PayloadFolder) -> PayloadFacts | NoAnswer:
    """Whether a folder takes an object and gives it back. It may be new, what it is in may not."""
    if not folder.root.parent.is_dir():
        return NoAnswer(f"there is no folder {folder.root.parent}")
    try:
        folder.check()
        return PayloadFacts(folder.root, shutil.disk_usage(folder.root).free)
    except (PayloadsUnavailable, OSError) as error:
        return NoAnswer(str(error))


def ask_llm(make: Callable[[], OpenAiChat | None], clock: Clock) -> LlmFacts | NoAnswer | None:
    """Which models an endpoint has on offer, which costs no token. None where there is no endpoint."""
    try:
        llm = make()
        return None if llm is None else LlmFacts(llm.endpoint, llm.model, _offered(llm, clock))
    except StageError as error:
        return NoAnswer(error.message)
    except ValueError as error:
        return NoAnswer(str(error))


def _offered(llm: OpenAiChat, clock: Clock) -> frozenset[str] | None:
    try:
        return frozenset(llm.models(Scope(clock, clock.monotonic() + LLM_PATIENCE_S)))
    except Permanent as error:
        if error.code != "llm_rejected":
            raise
        return None
