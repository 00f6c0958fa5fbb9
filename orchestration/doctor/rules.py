"""What is to be thought of what was found, and what is to be done. Asks nobody."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from orchestration.doctor.facts import BrokerFacts, DatabaseFacts, LlmFacts, NoAnswer, PayloadFacts, Server, Work
from orchestration.doctor.findings import Finding, failure, ok, skipped, warning

OLDEST_REDIS = (7, 0)
MOST_SKEW_S = 2.0
LOW_BYTES = 2 * 2**30
FULL_BYTES = 100 * 2**20
MIB = 2**20
WORK = ("workers", "queues", "keeper", "webhooks")

# what is set


def of_catalog(reason: str | None) -> Finding:
    """Settings that were read; the reason why their catalog could not be loaded, if it could not."""
    if reason is not None:
        return failure("settings", reason, "check PENSTOCK_CATALOG")
    return ok("settings", "they are valid")


def of_stack(data_dir: Path, *, runs: bool) -> Finding:
    """Where no broker is configured, a stack runs."""
    if runs:
        return ok("stack", f"one runs on {data_dir}")
    advice = "start it with `penstock up`, or set PENSTOCK_BROKER_URL to the broker of a deployment"
    return failure("stack", f"none runs on {data_dir}", advice)


# the broker


def of_broker(facts: BrokerFacts | NoAnswer) -> Iterator[Finding]:
    """Reachable, new enough, keeping what it is given, and in time."""
    if isinstance(facts, NoAnswer):
        advice = "start it, and check PENSTOCK_BROKER_URL; an embedded one starts with `penstock up`"
        yield failure("broker", facts.reason, advice)
        return
    if facts.server is None:
        yield warning("broker", "it answers, but this user may not ask for more", "allow the user INFO, and ask again")
    else:
        yield of_version(facts.server)
        yield of_persistence(facts.server)
        yield of_memory(facts.server)
    yield of_clock("broker clock", facts.ahead_s)


def of_version(server: Server) -> Finding:
    """Redis 7.0 or newer, or any Valkey."""
    found = f"Valkey {server.valkey_version}" if server.valkey_version else f"Redis {server.version}"
    if _numbers(server.version) < OLDEST_REDIS:
        return failure("broker", f"{found} is too old", "use Redis 7.0 or newer, or Valkey")
    return ok("broker", f"{found} answers")


def _numbers(version: str) -> tuple[int, ...]:
    """As far as they are numbers.

    >>> _numbers("7.2.4"), _numbers("8.0-rc1")
    ((7, 2, 4), (8,))
    """
    parts = version.split(".")
    numbers = [int(part) for part in parts if part.isdecimal()]
    return tuple(numbers)


def of_persistence(server: Server) -> Finding:
    """Without it a restart of the broker loses all messages, and the keeper has to launch everything again."""
    name = "broker persistence"
    if server.appends:
        return ok(name, "an append-only file is kept")
    advice = "set `appendonly yes`"
    if server.snapshots:
        return warning(name, "snapshots only: what came after the last one goes with a crash", advice)
    if server.snapshots is None:
        return warning(name, "no append-only file; whether there are snapshots is not told", advice)
    return warning(name, "none: every restart loses all messages, and the jobs are launched again", advice)


def of_memory(server: Server) -> Finding:
    """A full broker has to refuse messages rather than drop others."""
    name, policy = "broker memory", server.memory_policy
    if policy == "noeviction":
        return ok(name, "nothing is evicted")
    limit = f"at {server.max_memory_bytes // MIB} MiB" if server.max_memory_bytes else "once it has a limit"
    return warning(name, f"{policy}: messages may be dropped {limit}", "set `maxmemory-policy noeviction`")


def of_clock(name: str, ahead_s: float) -> Finding:
    """Leases go by the clocks of servers, due times and deadlines by those of all processes."""
    if abs(ahead_s) <= MOST_SKEW_S:
        return ok(name, f"within {MOST_SKEW_S:g} s of this machine's")
    apart = f"{abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    return warning(name, apart, "let all machines set their clocks by NTP")


# the database


def of_database(facts: DatabaseFacts | NoAnswer) -> Iterator[Finding]:
    """Reachable, with the schema of this version, and in time."""
    if isinstance(facts, NoAnswer):
        advice = "start it, and check PENSTOCK_DATABASE_URL; a new one is made by `penstock migrate` or `penstock up`"
        yield failure("database", facts.reason, advice)
        return
    yield of_schema(facts)
    yield of_clock("database clock", facts.ahead_s)


def of_schema(facts: DatabaseFacts) -> Finding:
    """The newest revision, no less and no more."""
    if facts.revision == facts.needed:
        return ok("database", f"it answers and is at revision {facts.needed}")
    found = f"it is at revision {facts.revision or 'none'}; this version needs {facts.needed}"
    if facts.revision is not None and facts.revision > facts.needed:
        return failure("database", found, "a newer version has migrated it: run that version everywhere")
    return failure("database", found, "run `penstock migrate`")


# the payload store


def of_payloads(facts: PayloadFacts | NoAnswer) -> Iterator[Finding]:
    """Takes an object and gives it back, and has room for more."""
    if isinstance(facts, NoAnswer):
        advice = "let this user write there; a volume has to be mounted everywhere; `penstock up` makes its own folder"
        yield failure("payload store", facts.reason, advice)
        return
    yield ok("payload store", f"{facts.root} took an object and gave it back")
    yield of_space(facts)


def of_space(facts: PayloadFacts) -> Finding:
    """Enough for what is in work."""
    found = f"{facts.free_bytes // MIB} MiB are free"
    advice = "make room, or keep less: PENSTOCK_RETENTION_RESULTS_S, PENSTOCK_RETENTION_INTERMEDIATES_S"
    if facts.free_bytes < FULL_BYTES:
        return failure("disk space", found, advice)
    return warning("disk space", found, advice) if facts.free_bytes < LOW_BYTES else ok("disk space", found)


# the language model


def of_llm(facts: LlmFacts | NoAnswer | None) -> Finding:
    """None where none is configured."""
    name = "language model"
    if facts is None:
        return skipped(name, "none is configured: summaries are extractive")
    if isinstance(facts, NoAnswer):
        return failure(name, facts.reason, "check PENSTOCK_LLM_BASE_URL and PENSTOCK_LLM_API_KEY")
    if facts.models is None:
        return ok(name, f"{facts.endpoint} answers; it does not list its models")
    if facts.model not in facts.models:
        found = f"{facts.endpoint} does not list {facts.model}"
        return warning(name, found, "check PENSTOCK_LLM_MODEL, and load the model there")
    return ok(name, f"{facts.endpoint} offers {facts.model}")


def of_prices(unpriced: Collection[str], *, has_budget: bool) -> Finding:
    """Of the models on offer, all have one where there is a budget to keep."""
    name = "prices"
    if not has_budget:
        return skipped(name, "no budget is set")
    if unpriced:
        found = f"no price is known of {', '.join(unpriced)}: calls fall under no budget"
        return warning(name, found, "add it to PENSTOCK_LLM_PRICES")
    return ok(name, "every model on offer has one")


# who works


def of_work(facts: DatabaseFacts | NoAnswer, stages: Collection[str], *, has_secret_key: bool) -> Sequence[Finding]:
    """A worker for each stage, none of them paused, a keeper, and somebody who sends to webhooks."""
    work = None if isinstance(facts, NoAnswer) else facts.work
    if work is None:
        return all_skipped(WORK, "only a database that answers and is migrated can tell")
    return [
        of_workers(work, stages),
        of_pauses(work, stages),
        of_keeper(work),
        of_webhooks(work, has_secret_key=has_secret_key),
    ]


def all_skipped(names: Sequence[str], why: str) -> Sequence[Finding]:
    """Checks that depend on what has failed already."""
    return [skipped(name, why) for name in names]


def of_workers(work: Work, stages: Collection[str]) -> Finding:
    """Every queue of the catalog has a worker that lives."""
    missing = [stage for stage in stages if stage not in work.served]
    if missing:
        advice = "; ".join(f"`penstock worker --queue {stage}`" for stage in missing)
        return failure("workers", f"no worker lives for {', '.join(missing)}", f"start {advice}, or see why they ended")
    return ok("workers", f"every stage has one: {', '.join(stages)}")


def of_pauses(work: Work, stages: Collection[str]) -> Finding:
    """No queue of the catalog is paused."""
    paused = [stage for stage in stages if stage in work.paused]
    if paused:
        advice = "; ".join(f"`penstock queues resume {stage}`" for stage in paused)
        return warning("queues", f"paused: {', '.join(paused)}", f"when they shall go on: {advice}")
    return ok("queues", "none is paused")


def of_keeper(work: Work) -> Finding:
    """One keeper leads."""
    if work.leader is None:
        return failure("keeper", "none leads: nobody launches again what got lost", "start `penstock keeper`")
    return ok("keeper", f"{work.leader} leads")


def of_webhooks(work: Work, *, has_secret_key: bool) -> Finding:
    """Whoever sends leaves a sign only in what is not sent any more."""
    if not has_secret_key:
        return skipped("webhooks", "there can be none without PENSTOCK_SECRET_KEY", "set it to use webhooks")
    if work.unsent:
        found = f"{work.unsent} have deliveries that are due, and nobody is sending them at this moment"
        return warning("webhooks", found, "start `penstock webhooks`, unless it has just begun to send them")
    return ok("webhooks", "nothing is overdue")
