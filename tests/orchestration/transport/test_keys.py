"""What everything is called in Redis."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.transport.keys import FleetKeys, QueueKeys, Tag, turn_keys

STEPS = st.sets(st.integers(0, 9), min_size=1).map(lambda steps: tuple(sorted(steps)))
ENTRY_IDS = st.builds("{}-{}".format, st.integers(0, 2**63), st.integers(0, 2**63))
few = settings(max_examples=50, database=None)


@few
@given(entry_id=ENTRY_IDS, place=st.integers(0, 10), queue=st.text())
def test_a_tag_survives_as_text_whatever_the_queue_is_called(entry_id, place, queue):
    tag = Tag(entry_id, place, queue)
    assert Tag.parse(str(tag)) == tag


@pytest.mark.parametrize("text", ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "", "1", "a/b", "0f3a.17", "a//b"])
def test_other_tags_are_not_taken_for_ours(text):
    assert Tag.parse(text) is None


@few
@given(steps=STEPS, priority=st.integers(0, 9))
def test_a_priority_goes_to_the_lane_with_the_highest_step_not_above_it(steps, priority):
    place = QueueKeys("q", steps).place_of(priority)
    assert 1 <= place <= len(steps)
    assert steps[place - 1] <= priority or place == 1
    assert place == len(steps) or steps[place] > priority


@few
@given(steps=STEPS)
def test_a_less_urgent_message_never_goes_to_a_more_urgent_lane(steps):
    keys = QueueKeys("q", steps)
    assert all(keys.place_of(first) <= keys.place_of(second) for first, second in pairwise(range(10)))


def test_a_tag_s_place_is_the_stream_s_index():
    keys = QueueKeys("fetch", (0, 3, 6))
    assert keys.streams[0] == keys.redelivery
    assert keys.streams[keys.place_of(4)] == "{fetch}:lane:3"


@few
@given(queues=st.sets(st.text(), min_size=2, max_size=2), prefix=st.text(max_size=3))
def test_two_queues_share_no_key(queues, prefix):
    first, second = (QueueKeys(queue, (0, 3), prefix) for queue in queues)
    assert not set(first.all) & set(second.all)


def test_all_keys_of_a_queue_have_its_prefix_and_its_hash_tag():
    keys = QueueKeys("fetch", (0, 9), "prod:")
    assert all(key.startswith("prod:{fetch}:") for key in (*keys.all, keys.marker("someone")))
    assert keys.all == (
        *("prod:{fetch}:delayed", "prod:{fetch}:dead", "prod:{fetch}:redelivery"),
        *("prod:{fetch}:lane:0", "prod:{fetch}:lane:9"),
    )


def test_the_fleet_s_keys_have_the_prefix():
    fleet = FleetKeys("prod:")
    assert {fleet.alive, fleet.scanner, fleet.incarnation, fleet.queues} == {
        *("prod:streams:alive:", "prod:streams:scanner"),
        *("prod:streams:incarnation", "prod:streams:queues"),
    }


def test_keys_for_a_turn_follow_each_other_queue_by_queue():
    queues = [QueueKeys("a", (0,)), QueueKeys("b", (0,))]
    assert turn_keys(queues) == [
        *("{a}:delayed", "{a}:redelivery", "{a}:lane:0"),
        *("{b}:delayed", "{b}:redelivery", "{b}:lane:0"),
    ]
