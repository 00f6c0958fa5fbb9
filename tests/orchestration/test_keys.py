"""Keys are made so that nobody can guess them, and recognised without asking the records each time."""

import logging
import re
from datetime import timedelta
from random import SystemRandom
from typing import Any

import pytest

from orchestration.keys import KNOWN_FOR_S, KeyDesk, KeyRing
from pipeline.errors import KeyNotFound, RecordsUnavailable
from pipeline.keys import ApiKey, KeyScope, digest_of
from pipeline.memory import MemoryRecords
from tests.support.bench import Watched
from tests.support.tools import START, ManualClock

READ = frozenset({KeyScope.READ})


class Door:
    """A desk where keys are made, and a ring that is shown them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.records = Watched(MemoryRecords(self.clock))
        self.desk = KeyDesk(self.records, self.clock, SystemRandom())  # type: ignore[arg-type]
        self.ring = KeyRing(self.records, self.clock)  # type: ignore[arg-type]

    def create(self, lifetime: timedelta | None = None) -> tuple[ApiKey, str]:
        key, text = self.desk.create("default", "laptop", READ, lifetime)
        return key, text.get_secret_value()

    def shown(self, text: str) -> ApiKey | None:
        """As the gate does it."""
        if self.ring.must_read(text):
            self.ring.read(text)
        return self.ring.valid(text)

    def reads(self) -> int:
        return self.records.log.count("key")


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_key_has_a_prefix_and_256_random_bits(door: Door) -> None:
    texts = [door.create()[1] for _ in range(50)]
    assert all(re.fullmatch(r"psk_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text) for text in texts)
    assert len({text.partition("_")[2].partition("_")[2] for text in texts}) == 50
    assert len({text[4:12] for text in texts}) == 50


def test_what_is_recorded_is_the_hash_of_the_key(door: Door) -> None:
    key, text = door.create(timedelta(days=90))
    assert door.records.inner.all_keys() == [key]
    assert (key.digest, key.prefix) == (digest_of(text), text[4:12])
    assert (key.created_at, key.expires_at) == (START, START + timedelta(days=90))
    assert text not in str(vars(door.records.inner))
    assert text[13:] not in str(vars(door.records.inner))


def test_the_text_of_a_key_is_masked(door: Door) -> None:
    made = door.desk.create("default", "laptop", READ, None)
    assert made[1].get_secret_value()[13:] not in repr(made)


def test_another_prefix_is_drawn_when_there_is_one_like_it(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = door.create()
    drawn = iter([bytes.fromhex(first.prefix), b"a" * 32, b"\x00\x11\x22\x33", b"b" * 32])
    monkeypatch.setattr(SystemRandom, "randbytes", lambda _self, _count: next(drawn))
    assert door.create()[0].prefix == "00112233"


def test_a_key_is_known_once_it_is_made_and_is_read_once_in_a_while(door: Door) -> None:
    key, text = door.create()
    for _ in range(100):
        assert door.shown(text) == key
    assert door.reads() == 1
    door.clock.advance(KNOWN_FOR_S)
    assert door.shown(text) == key
    assert door.reads() == 2


def test_a_revoked_key_is_refused_within_five_seconds(door: Door) -> None:
    key, text = door.create()
    assert door.shown(text)
    door.desk.revoke(f"psk_{key.prefix}")
    door.clock.advance(4.9)
    assert door.shown(text)
    door.clock.advance(0.1)
    assert door.shown(text) is None


def test_how_old_an_answer_is_counts_from_the_moment_it_was_asked_for(door: Door) -> None:
    key, text = door.create()
    ask = door.records.inner.key

    def slow(prefix: str) -> Any:
        answer = ask(prefix)
        door.clock.advance(3)
        door.desk.revoke(key.id)
        return answer

    door.records.inner.key = slow
    assert door.shown(text)
    door.records.inner.key = ask
    door.clock.advance(2)
    assert door.shown(text) is None


def test_a_key_expires_to_the_moment_however_lately_it_was_read(door: Door) -> None:
    _, text = door.create(timedelta(seconds=10))
    door.clock.advance(8)
    assert door.shown(text)
    door.clock.advance(1.9)
    assert door.shown(text)
    door.clock.advance(0.1)
    assert door.shown(text) is None
    assert door.reads() == 1


def test_a_wrong_secret_is_refused_without_asking_again(door: Door) -> None:
    _, text = door.create()
    door.shown(text)
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert all(door.shown(wrong) is None for _ in range(10))
    assert door.reads() == 1


def test_what_has_not_the_form_of_a_key_is_not_looked_up(door: Door) -> None:
    assert door.shown("psk_' OR 1=1") is None
    assert door.records.log == []


def test_unknown_keys_are_not_kept_in_mind(door: Door) -> None:
    for number in range(100):
        assert door.shown(f"psk_{number:08x}_{'x' * 43}") is None
    assert len(door.ring._known) == 0


def test_a_key_made_after_it_was_asked_for_works_at_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemRandom, "randbytes", lambda _self, count: b"\x01" * count)
    assert door.shown("psk_01010101_" + "x" * 43) is None
    _, text = door.create()
    assert door.shown(text)


def test_a_key_is_not_taken_on_trust_while_the_records_are_down(door: Door) -> None:
    _, text = door.create()
    door.shown(text)
    door.records.broken["key"] = RecordsUnavailable("away")
    door.clock.advance(KNOWN_FOR_S)
    with pytest.raises(RecordsUnavailable):
        door.shown(text)


def test_a_use_is_written_once_a_minute(door: Door) -> None:
    key, text = door.create()
    for _ in range(130):
        door.clock.advance(1)
        assert door.shown(text)
        if door.ring.must_note(key):
            door.ring.note_use(key)
    assert door.records.log.count("note_key_use") == 3
    assert door.records.inner.key(key.prefix).last_used_at == START + timedelta(seconds=121)


def test_a_use_that_cannot_be_written_is_no_failure(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    key, text = door.create()
    door.shown(text)
    door.records.broken["note_key_use"] = RecordsUnavailable("away")
    with caplog.at_level(logging.WARNING):
        door.ring.note_use(key)
    assert key.prefix in caplog.text
    assert text not in caplog.text
    assert not door.ring.must_note(key)


def test_there_is_a_valid_key_unless_all_are_revoked_or_expired(door: Door) -> None:
    assert not door.desk.has_valid()
    key, _ = door.create()
    door.create(timedelta(days=1))
    assert door.desk.has_valid()
    door.desk.revoke(key.prefix)
    assert door.desk.has_valid()
    door.clock.advance(86_400)
    assert not door.desk.has_valid()


def test_a_key_that_there_is_not_cannot_be_revoked(door: Door) -> None:
    with pytest.raises(KeyNotFound):
        door.desk.revoke("psk_00000000")


def test_a_whole_key_can_be_revoked_and_is_not_repeated(door: Door) -> None:
    key, text = door.create()
    assert door.desk.revoke(text).id == key.id
    with pytest.raises(KeyNotFound) as refused:
        door.desk.revoke("psk_00000000" + text[12:])
    assert text[13:] not in str(refused.value)
