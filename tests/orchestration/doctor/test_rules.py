"""What the doctor thinks of facts."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.doctor import rules
from orchestration.doctor.facts import BrokerFacts, DatabaseFacts, LlmFacts, NoAnswer, PayloadFacts, Server, Work
from orchestration.doctor.findings import Outcome

SERVER = Server("7.2.4", "8.1.1", appends=True, snapshots=False, memory_policy="noeviction", max_memory_bytes=0)
WORK = Work(frozenset({"fetch", "store"}), frozenset(), "host:7", unsent=0)
DATABASE = DatabaseFacts(0.1, "0010", "0010", WORK)
STAGES = ("fetch", "store")
GIB = 2**30


def outcomes(findings):
    return {finding.name: finding.outcome.value for finding in findings}


def test_a_good_broker_needs_nothing():
    findings = list(rules.of_broker(BrokerFacts(0.0, SERVER)))
    assert outcomes(findings) == dict.fromkeys(["broker", "broker persistence", "broker memory", "broker clock"], "ok")
    assert findings[0].found == "Valkey 8.1.1 answers"
    assert not any(finding.advice for finding in findings)


def test_a_broker_that_does_not_answer_is_one_finding_with_the_reason():
    [finding] = rules.of_broker(NoAnswer("Connection refused"))
    assert (finding.outcome, finding.found) == (Outcome.FAILURE, "Connection refused")
    assert "PENSTOCK_BROKER_URL" in finding.advice


def test_a_broker_that_tells_little_is_a_warning():
    assert outcomes(rules.of_broker(BrokerFacts(0.0, None))) == {"broker": "warning", "broker clock": "ok"}


@pytest.mark.parametrize(
    ("version", "outcome"), [("7.0.0", "ok"), ("8.0-rc1", "ok"), ("10.0.1", "ok"), ("6.2.14", "failure")]
)
def test_redis_has_to_be_new_enough(version, outcome):
    finding = rules.of_version(replace(SERVER, version=version, valkey_version=None))
    assert finding.outcome == outcome
    assert f"Redis {version}" in finding.found


@pytest.mark.parametrize(
    ("appends", "snapshots", "outcome", "said"),
    [
        (True, None, "ok", "append-only"),
        (False, True, "warning", "snapshots only"),
        (False, False, "warning", "every restart"),
        (False, None, "warning", "not told"),
    ],
)
def test_a_broker_has_to_keep_its_data(appends, snapshots, outcome, said):
    finding = rules.of_persistence(replace(SERVER, appends=appends, snapshots=snapshots))
    assert (finding.outcome, said in finding.found) == (outcome, True)
    assert (finding.advice is None) == (outcome == "ok")


def test_a_broker_that_may_drop_messages_is_a_warning():
    without_limit = rules.of_memory(replace(SERVER, memory_policy="allkeys-lru"))
    assert (without_limit.outcome, "once it has a limit" in without_limit.found) == ("warning", True)
    limited = rules.of_memory(replace(SERVER, memory_policy="volatile-ttl", max_memory_bytes=64 * 2**20))
    assert limited.found == "volatile-ttl: messages may be dropped at 64 MiB"
    assert "noeviction" in limited.advice


@pytest.mark.parametrize(
    ("ahead_s", "outcome", "said"),
    [(1.9, "ok", "within"), (-1.9, "ok", "within"), (2.1, "warning", "2.1 s ahead"), (-90, "warning", "90.0 s behind")],
)
def test_clocks_have_to_agree(ahead_s, outcome, said):
    finding = rules.of_clock("database clock", ahead_s)
    assert (finding.name, finding.outcome, said in finding.found) == ("database clock", outcome, True)


def test_a_database_has_to_answer():
    [finding] = rules.of_database(NoAnswer("there is no database yet"))
    assert (finding.outcome, "penstock migrate" in finding.advice) == ("failure", True)
    assert outcomes(rules.of_database(DATABASE)) == {"database": "ok", "database clock": "ok"}


@pytest.mark.parametrize(
    ("revision", "said"),
    [(None, "run `penstock migrate`"), ("0009", "run `penstock migrate`"), ("0011", "run that version everywhere")],
)
def test_a_database_has_to_be_at_the_revision_of_this_version(revision, said):
    finding = rules.of_schema(replace(DATABASE, revision=revision))
    assert finding.found == f"it is at revision {revision or 'none'}; this version needs 0010"
    assert (finding.outcome, said in finding.advice) == ("failure", True)


@pytest.mark.parametrize(
    ("free_bytes", "outcome"), [(3 * GIB, "ok"), (GIB, "warning"), (99 * 2**20, "failure")], ids=str
)
def test_a_payload_folder_needs_room(free_bytes, outcome):
    findings = rules.of_payloads(PayloadFacts(Path("/data"), free_bytes))
    assert outcomes(findings) == {"payload store": "ok", "disk space": outcome}


def test_a_payload_folder_that_cannot_be_used_is_a_failure():
    assert outcomes(rules.of_payloads(NoAnswer("Permission denied"))) == {"payload store": "failure"}


@pytest.mark.parametrize(
    ("facts", "outcome", "said"),
    [
        (None, "skipped", "summaries are extractive"),
        (NoAnswer("It cannot be reached."), "failure", "It cannot be reached."),
        (LlmFacts("llm:443", "m", None), "ok", "does not list its models"),
        (LlmFacts("llm:443", "m", frozenset("m")), "ok", "llm:443 offers m"),
        (LlmFacts("llm:443", "m", frozenset("n")), "warning", "does not list m"),
    ],
    ids=str,
)
def test_a_language_model_is_looked_for_where_one_is_configured(facts, outcome, said):
    finding = rules.of_llm(facts)
    assert (finding.outcome, said in finding.found) == (outcome, True)


@pytest.mark.parametrize(
    ("unpriced", "has_budget", "outcome"),
    [([], True, "ok"), (["m"], True, "warning"), (["m"], False, "skipped")],
)
def test_a_budget_needs_prices(unpriced, has_budget, outcome):
    assert rules.of_prices(unpriced, has_budget=has_budget).outcome == outcome


def test_a_deployment_at_work_needs_nothing():
    findings = rules.of_work(DATABASE, STAGES, has_secret_key=True)
    assert outcomes(findings) == dict.fromkeys(rules.WORK, "ok")


@pytest.mark.parametrize("facts", [NoAnswer("gone"), replace(DATABASE, work=None)], ids=["gone", "not migrated"])
def test_who_works_cannot_be_told_without_a_database(facts):
    assert outcomes(rules.of_work(facts, STAGES, has_secret_key=True)) == dict.fromkeys(rules.WORK, "skipped")


def test_a_stage_without_a_worker_is_a_failure_that_names_it():
    finding = rules.of_workers(replace(WORK, served=frozenset({"fetch"})), ("fetch", "extract", "store"))
    assert (finding.outcome, finding.found) == ("failure", "no worker lives for extract, store")
    assert "`penstock worker --queue extract`; `penstock worker --queue store`" in finding.advice


def test_a_paused_stage_is_a_warning_that_says_how_to_resume_it():
    finding = rules.of_pauses(replace(WORK, paused=frozenset({"store", "gone"})), STAGES)
    assert (finding.outcome, finding.found) == ("warning", "paused: store")
    assert "`penstock queues resume store`" in finding.advice


def test_without_a_keeper_that_leads_something_has_to_be_done():
    assert rules.of_keeper(WORK).found == "host:7 leads"
    finding = rules.of_keeper(replace(WORK, leader=None))
    assert (finding.outcome, "penstock keeper" in finding.advice) == ("failure", True)


def test_webhooks_need_a_key_and_somebody_who_sends():
    assert rules.of_webhooks(WORK, has_secret_key=False).outcome is Outcome.SKIPPED
    overdue = rules.of_webhooks(replace(WORK, unsent=2), has_secret_key=True)
    assert (overdue.outcome, "penstock webhooks" in overdue.advice) == ("warning", True)


def test_a_stack_and_a_catalog_have_to_be_there():
    assert rules.of_stack(Path("/data"), runs=True).outcome is Outcome.OK
    assert "penstock up" in rules.of_stack(Path("/data"), runs=False).advice
    assert rules.of_catalog(None).outcome is Outcome.OK
    assert rules.of_catalog("no catalog of pipelines at x:y").outcome is Outcome.FAILURE
