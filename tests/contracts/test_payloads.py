"""Payloads: what every store promises."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import PayloadCorrupt, PayloadMissing, PayloadsUnavailable
from pipeline.ids import Claim
from pipeline.ports import Payloads

KEY = "default/01a1fb67/1/fetch.0"
DATA = b"A sentence. " * 1000


def test_what_was_put_is_got(payloads: Payloads) -> None:
    claim = payloads.put(KEY, DATA, "text/plain")
    digest = sha256(DATA).hexdigest()
    assert claim == Claim(f"{KEY}-{digest}", digest, len(DATA), "text/plain")
    assert payloads.get(claim) == DATA


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=5000))
def test_any_bytes_come_back(payloads: Payloads, data: bytes) -> None:
    assert payloads.get(payloads.put(KEY, data, "application/octet-stream")) == data


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.binary(max_size=500), max_size=8))
def test_what_comes_in_chunks_is_the_same_object(payloads: Payloads, chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert payloads.put_stream(KEY, iter(chunks), "text/plain") == payloads.put(KEY, whole, "text/plain")
    assert payloads.get(payloads.put_stream(KEY, iter(chunks), "text/plain")) == whole


def test_what_breaks_off_leaves_nothing(payloads: Payloads) -> None:
    def breaking() -> Iterator[bytes]:
        yield DATA
        raise ConnectionError

    with pytest.raises((ConnectionError, PayloadsUnavailable)):
        payloads.put_stream(KEY, breaking(), "text/plain")
    assert list(payloads.jobs(older_than_s=-1)) == []
    assert payloads.sweep(older_than_s=-1) == 0


def test_the_same_may_be_put_again(payloads: Payloads) -> None:
    assert payloads.put(KEY, DATA, "text/plain") == payloads.put(KEY, DATA, "text/plain")
    assert payloads.get(payloads.put(KEY, DATA, "text/plain")) == DATA


def test_another_output_of_the_same_stage_is_another_object(payloads: Payloads) -> None:
    first, second = payloads.put(KEY, b"first", "text/plain"), payloads.put(KEY, b"second", "text/plain")
    assert first.key != second.key
    assert (payloads.get(first), payloads.get(second)) == (b"first", b"second")


def test_what_was_never_put_is_missing(payloads: Payloads) -> None:
    claim = payloads.put(KEY, DATA, "text/plain")
    with pytest.raises(PayloadMissing):
        payloads.get(replace(claim, key=f"{claim.key[:-1]}_"))


@pytest.mark.parametrize(
    "change", [{"size": len(DATA) - 1}, {"size": len(DATA) + 1}, {"size": 0}, {"sha256": "0" * 64}]
)
def test_what_is_not_as_claimed_is_corrupt(payloads: Payloads, change: dict[str, object]) -> None:
    claim = payloads.put(KEY, DATA, "text/plain")
    with pytest.raises(PayloadCorrupt):
        payloads.get(replace(claim, **change))  # type: ignore[arg-type]


def test_a_deleted_object_is_missing_and_may_be_deleted_again(payloads: Payloads) -> None:
    claim = payloads.put(KEY, DATA, "text/plain")
    payloads.delete(claim)
    payloads.delete(claim)
    with pytest.raises(PayloadMissing):
        payloads.get(claim)
    assert payloads.get(payloads.put(KEY, DATA, "text/plain")) == DATA


def test_a_corrupt_object_put_aside_is_missing_until_it_is_put_again(payloads: Payloads) -> None:
    claim = payloads.put(KEY, DATA, "text/plain")
    false_claim = replace(claim, sha256="0" * 64)
    payloads.quarantine(false_claim)
    payloads.quarantine(false_claim)
    for each in (claim, false_claim):
        with pytest.raises(PayloadMissing):
            payloads.get(each)
    assert payloads.get(payloads.put(KEY, DATA, "text/plain")) == DATA


def test_a_sound_object_is_not_put_aside(payloads: Payloads) -> None:
    claim = payloads.put(KEY, DATA, "text/plain")
    payloads.quarantine(claim)
    assert payloads.get(claim) == DATA


JOB = ("default", "01a1fb67")


def test_all_of_a_job_is_deleted_and_nothing_else(payloads: Payloads) -> None:
    mine = [payloads.put(f"{'/'.join(JOB)}/{run}/fetch.0", DATA, "text/plain") for run in (1, 2)]
    others = [payloads.put(f"{job}/1/fetch.0", DATA, "text/plain") for job in ("default/01a1fb6", "theirs/01a1fb67")]
    payloads.quarantine(replace(mine[0], size=1))
    payloads.delete_job(*JOB)
    payloads.delete_job(*JOB)
    for claim in mine:
        with pytest.raises(PayloadMissing):
            payloads.get(claim)
    assert [payloads.get(claim) for claim in others] == [DATA, DATA]
    assert set(payloads.jobs(older_than_s=-1)) == {("default", "01a1fb6"), ("theirs", "01a1fb67")}


@pytest.mark.parametrize("job_id", ["..", ".", "", "/", "a/../..", ".incoming"])
def test_what_is_no_id_deletes_nothing(payloads: Payloads, job_id: str) -> None:
    claim = payloads.put(KEY, DATA, "text/plain")
    payloads.delete_job("default", job_id)
    payloads.delete_job(job_id, "01a1fb67")
    assert payloads.get(claim) == DATA


def test_the_store_names_the_jobs_it_holds_something_of(payloads: Payloads) -> None:
    assert list(payloads.jobs(older_than_s=-1)) == []
    payloads.put("default/one/1/fetch.0", DATA, "text/plain")
    payloads.put("default/one/2/fetch.0", DATA, "text/plain")
    two = payloads.put("theirs/two/1/fetch.0", DATA, "text/plain")
    payloads.quarantine(replace(two, size=1))
    payloads.check()
    assert sorted(payloads.jobs(older_than_s=-1)) == [("default", "one"), ("theirs", "two")]


def test_a_tenant_may_have_any_name_that_a_key_can_have(payloads: Payloads) -> None:
    claims = [payloads.put(f"{tenant}/01a1fb67/1/fetch.0", DATA, "text/plain") for tenant in ("default", "quarantine")]
    payloads.quarantine(replace(claims[0], size=1))
    assert sorted(payloads.jobs(older_than_s=-1)) == [JOB, ("quarantine", "01a1fb67")]
    payloads.delete_job(*JOB)
    assert list(payloads.jobs(older_than_s=-1)) == [("quarantine", "01a1fb67")]
    assert payloads.get(claims[1]) == DATA


def test_a_job_that_wrote_lately_is_not_named(payloads: Payloads) -> None:
    payloads.put(KEY, DATA, "text/plain")
    assert list(payloads.jobs(older_than_s=60)) == []
    assert list(payloads.jobs(older_than_s=-1)) == [JOB]


def test_sweeping_leaves_every_object(payloads: Payloads) -> None:
    claim = payloads.put(KEY, DATA, "text/plain")
    assert payloads.sweep(older_than_s=-1) == 0
    assert payloads.get(claim) == DATA


WRONG_KEYS = [
    "",
    "one",
    "/etc/passwd",
    ".quarantine/a/b",
    "a/../b",
    "../a/b",
    "a//b",
    "a/b/",
    "a/.hidden",
    "a/b\x00",
    "a/b\n",
    "a\\..\\b",
    "ä/b",
]


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_key_is_no_path(payloads: Payloads, key: str) -> None:
    with pytest.raises(ValueError, match="not a payload key"):
        payloads.put(key, DATA, "text/plain")
    with pytest.raises(PayloadMissing):
        payloads.get(Claim(key, "0" * 64, 1, "text/plain"))
    payloads.delete(Claim(key, "0" * 64, 1, "text/plain"))
    payloads.quarantine(Claim(key, "0" * 64, 1, "text/plain"))


def test_a_store_that_works_passes_the_check(payloads: Payloads) -> None:
    payloads.check()
    payloads.check()
