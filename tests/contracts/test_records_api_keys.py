"""Records: API keys, found by their prefix."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from pipeline.errors import KeyNotFound
from pipeline.ids import uuid7
from pipeline.keys import USE_NOTED_EVERY, ApiKey, KeyScope, digest_of
from tests.support.jobs import World
from tests.support.tools import START

LATER = START + timedelta(days=1)

_random = Random(9)


@pytest.fixture
def records(world: World) -> Any:
    return world.records


def some_key(prefix: str = "0a1b2c3d", **about: Any) -> ApiKey:
    values = {
        "id": str(uuid7(START, _random)),
        "tenant_id": "default",
        "name": "laptop",
        "prefix": prefix,
        "digest": digest_of(prefix),
        "scopes": frozenset({KeyScope.READ, KeyScope.ADMIN}),
        "created_at": START,
        "expires_at": LATER,
        **about,
    }
    return ApiKey(**values)


def test_a_key_is_found_by_its_prefix_as_it_was_recorded(records: Any) -> None:
    key, other = some_key(), some_key("ffffffff", tenant_id="theirs", name="Ünï", expires_at=None)
    assert records.add_key(key)
    assert records.add_key(other)
    assert (records.key(key.prefix), records.key("ffffffff")) == (key, other)
    assert records.key("00000000") is None


def test_of_two_keys_with_one_prefix_the_first_stays(records: Any) -> None:
    key = some_key()
    assert records.add_key(key)
    assert not records.add_key(some_key(name="other"))
    assert records.all_keys() == [key]


def test_all_keys_are_listed_the_oldest_first(records: Any) -> None:
    young = some_key("00000000", id=str(uuid7(LATER, _random)), tenant_id="theirs")
    old = some_key("ffffffff")
    for key in (young, old):
        records.add_key(key)
    assert records.all_keys() == [old, young]


@pytest.mark.parametrize("name", ["id", "prefix"])
def test_a_revoked_key_stays_revoked_since_the_first_time(records: Any, name: str) -> None:
    key, other = some_key(), some_key("ffffffff")
    records.add_key(key)
    records.add_key(other)
    revoked = replace(key, revoked_at=LATER)
    assert records.revoke_key(getattr(key, name), LATER) == revoked
    assert records.revoke_key(getattr(key, name), LATER + timedelta(days=1)) == revoked
    assert [records.key(known.prefix) for known in (key, other)] == [revoked, other]


@pytest.mark.parametrize("which", ["0a1b2c3e", "psk_0a1b2c3d", "default", "0a1b2c3d-0000-7000-8000-000000000000"])
def test_a_key_that_there_is_not_cannot_be_revoked(records: Any, which: str) -> None:
    key = some_key()
    records.add_key(key)
    with pytest.raises(KeyNotFound, match=which):
        records.revoke_key(which, LATER)
    assert records.key(key.prefix) == key


def test_its_use_is_noted_at_most_once_a_minute(records: Any) -> None:
    key = some_key()
    records.add_key(key)
    for seconds, noted in ((0, 0), (59, 0), (60, 60), (61, 60), (1, 60), (3600, 3600)):
        records.note_key_use(key.id, START + timedelta(seconds=seconds))
        assert records.key(key.prefix).last_used_at == START + timedelta(seconds=noted)
    assert timedelta(seconds=60) == USE_NOTED_EVERY


def test_the_use_of_no_key_is_not_noted(records: Any) -> None:
    key = some_key()
    records.add_key(key)
    records.note_key_use(str(uuid7(START, _random)), LATER)
    assert records.all_keys() == [key]
