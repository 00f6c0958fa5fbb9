from datetime import UTC, datetime, timedelta
from random import Random
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ids import Claim, StageKey, canonical_uuid, uuid7

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times = st.integers(0, int(200 * 365.25 * 86_400 * 1e6)).map(lambda age: EPOCH + timedelta(microseconds=age))
randoms = st.integers(0, 2**32).map(Random)


@given(times, randoms)
def test_it_is_a_version_7_uuid_of_its_millisecond(now: datetime, random: Random) -> None:
    made = uuid7(now, random)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == (now - EPOCH) // timedelta(milliseconds=1)


@given(times, times, randoms)
def test_later_ones_sort_later_as_text(one: datetime, other: datetime, random: Random) -> None:
    earlier, later = sorted((one, other))
    if later - earlier >= timedelta(milliseconds=1):
        assert str(uuid7(earlier, random)) < str(uuid7(later, random))


@given(times, randoms)
def test_many_of_one_moment_differ(now: datetime, random: Random) -> None:
    assert len({uuid7(now, random) for _ in range(200)}) == 200


def test_all_74_random_bits_are_used() -> None:
    random, ones, zeros = Random(3), 0, 0
    for _ in range(200):
        value = uuid7(EPOCH, random).int
        ones, zeros = ones | value, zeros | ~value
    assert (ones & zeros & (2**128 - 1)).bit_count() == 74


@given(st.uuids())
def test_a_uuid_is_known_in_either_case_and_in_no_other_form(value: UUID) -> None:
    text = str(value)
    assert canonical_uuid(text) == canonical_uuid(text.upper()) == text
    for other in (value.hex, f"{{{text}}}", value.urn, f" {text}", text[:-1]):
        assert canonical_uuid(other) is None


@pytest.mark.parametrize("launch", [1, 12])
def test_the_id_of_a_message_names_job_run_stage_part_and_launch(launch: int) -> None:
    assert StageKey("0198", 2, "fetch", 3).task_id(launch) == f"0198:2:fetch:3:{launch}"


def test_a_claim_survives_the_message() -> None:
    claim = Claim("default/0198/1/fetch.0-ab", "ab", 7, "text/plain")
    assert Claim.from_dict(claim.as_dict()) == claim
