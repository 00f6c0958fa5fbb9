"""How a message is stored, and what comes out again."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.transport.envelope import seal, unseal
from orchestration.transport.errors import NotAMessage
from orchestration.transport.keys import Tag

NOW = datetime(2030, 5, 17, 12, tzinfo=UTC)
READY = Tag("1700000000000-0", 1, "fetch")
AGAIN = Tag("1700000000000-1", 0, "fetch")
TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def payload(body='[[], {}, {"chain": null}]', **headers):
    return {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "t", "id": "one", "eta": None, **headers},
        "properties": {"priority": 3, "delivery_tag": "kombu's", "delivery_info": {"routing_key": "fetch"}},
    }


def fields(envelope, **more):
    """An entry as redis-py returns it."""
    entry = {"t": envelope.task_id, "h": envelope.head, "b": envelope.body, **more}
    return [_encoded(word) for pair in entry.items() for word in pair]


def _encoded(word):
    return word if isinstance(word, bytes) else str(word).encode()


def through(message, tag=READY, **more):
    return unseal(fields(seal(message, NOW), **more), tag)


def test_a_message_comes_out_as_it_went_in_with_a_tag_of_ours():
    out = through(payload())
    assert out.pop("body") == b'[[], {}, {"chain": null}]'
    expected = payload()
    del expected["body"]
    expected["properties"]["delivery_tag"] = str(READY)
    expected["headers"]["x-message-id"] = "kombu's"
    assert out == expected


@settings(max_examples=50, database=None)
@given(body=TEXT | st.binary(), headers=st.dictionaries(TEXT.map("x-{}".format), VALUES, max_size=4))
def test_any_body_and_any_headers_survive(body, headers):
    out = through(payload(body, **headers))
    assert out["body"] == _encoded(body)
    assert {name: out["headers"][name] for name in headers} == headers


@pytest.mark.parametrize(
    "value",
    [b"bytes", b"\xff\x00", datetime(2030, 1, 1, tzinfo=UTC), {"__type__": "my own"}, {"inner": {"__type__": 1}}],
    ids=["text bytes", "any bytes", "time", "a lookalike", "an inner lookalike"],
)
def test_headers_survive_that_json_has_no_word_for(value):
    assert through(payload(stamp=value))["headers"]["stamp"] == value


WITHOUT_TAG = b'{"headers": {}, "properties": {}}'


@pytest.mark.parametrize(
    "alien",
    [
        [],
        [b"hello", b"world"],
        [b"t", b"", b"b", b""],
        [b"h", b'{"headers": {}, "properties": {"delivery_tag": "1"}}'],
        *([b"h", head, b"b", b""] for head in (b"", b"{", b"\xff", b"1", b"[]", b"{}", b'{"headers": 1}', WITHOUT_TAG)),
        [b"h", b'{"headers": [], "properties": {"delivery_tag": "1"}}', b"b", b""],
    ],
)
@pytest.mark.parametrize("tag", [READY, AGAIN])
def test_what_is_not_of_our_making_is_no_message(alien, tag):
    with pytest.raises(NotAMessage, match=tag.entry_id):
        unseal(alien, tag)


def test_a_number_of_failures_that_is_none_is_not_of_our_making():
    with pytest.raises(NotAMessage):
        through(payload(), AGAIN, n="many")


def test_what_was_put_in_is_not_changed():
    message = payload(eta="2030-05-17T13:00:00+00:00")
    seal(message, NOW)
    assert message == payload(eta="2030-05-17T13:00:00+00:00")


def test_the_task_id_is_stored_by_itself():
    assert seal(payload(), NOW).task_id == "one"


@pytest.mark.parametrize("headers", [{"id": None}, {"id": ""}])
def test_a_message_of_no_task_has_an_empty_id(headers):
    assert seal(payload(**headers), NOW).task_id == ""


@pytest.mark.parametrize(
    ("eta", "delay_ms"),
    [
        ("2030-05-17T12:00:01+00:00", 1000),
        ("2030-05-17T12:00:01Z", 1000),
        ("2030-05-17T14:00:00.000001+02:00", 1),
        ("2030-05-17T09:00:00-03:00", None),
        ("2029-01-01T00:00:00+00:00", None),
    ],
)
def test_a_message_with_an_eta_waits_and_then_reaches_the_worker_without(eta, delay_ms):
    envelope = seal(payload(eta=eta), NOW)
    assert envelope.delay_ms == delay_ms
    assert unseal(fields(envelope), READY)["headers"]["eta"] is None


def test_an_eta_in_another_time_zone_than_ours_is_the_same_moment():
    due = (NOW + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert seal(payload(eta=due.isoformat()), NOW).delay_ms == 60_000


@pytest.mark.parametrize("eta", ["2030-05-17T13:00:00", None])
def test_an_eta_without_a_time_zone_is_left_to_celery(eta):
    envelope = seal(payload(eta=eta), NOW)
    assert envelope.delay_ms is None
    assert unseal(fields(envelope), READY)["headers"]["eta"] == eta


def test_a_first_delivery_is_not_marked():
    out = through(payload())
    assert "redelivered" not in out["headers"]
    assert "x-delivery-count" not in out["headers"]
    assert "redelivered" not in out["properties"]["delivery_info"]


def test_the_marks_of_an_earlier_message_are_not_a_retry_s():
    """Celery copies the headers of a task to its retries."""
    stamped = {"redelivered": True, "x-delivery-count": 3}
    assert not {"redelivered", "x-delivery-count"} & set(through(payload(**stamped))["headers"])
    assert through(payload(**stamped), AGAIN, n=1)["headers"]["x-delivery-count"] == 1


def test_a_retry_has_an_id_of_its_own_and_a_redelivery_has_not():
    retry = payload(**{"x-message-id": "that of the first"})
    assert {through(retry, tag)["headers"]["x-message-id"] for tag in (READY, AGAIN)} == {"kombu's"}


@pytest.mark.parametrize(("stored", "count"), [({"n": 2}, 2), ({}, 0)])
def test_a_redelivery_is_marked_as_amqp_does_it_and_says_how_many_failed(stored, count):
    out = through(payload(), AGAIN, **stored)
    assert out["headers"]["redelivered"] is True
    assert out["headers"]["x-delivery-count"] == count
    assert out["properties"]["delivery_info"]["redelivered"] is True
    assert out["properties"]["delivery_tag"] == str(AGAIN)
