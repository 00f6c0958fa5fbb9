"""What can be set about the transport."""

import pytest

from orchestration.transport.options import DEFAULT_STEPS, Options


def test_what_is_not_set_has_a_default():
    assert Options.read({}) == Options()
    assert Options().steps == (0, 3, 6, 9)
    assert Options().lease_s == 5.0


def test_everything_can_be_set_and_kombu_s_own_options_are_left_to_kombu():
    read = Options.read(
        {
            "priority_steps": [9, 0],
            "global_keyprefix": "prod:",
            "lease_s": 2.0,
            "delivery_limit": 3,
            "dead_letters_kept": 5,
            "lower_lane_share": 4,
            "publish_patience_s": 1.5,
            "socket_timeout": 3,
            "visibility_timeout": 3600,
        }
    )
    assert read == Options((0, 9), "prod:", 2.0, 3, 5, 4, 1.5)


@pytest.mark.parametrize("name", ["lease_s", "delivery_limit", "lower_lane_share"])
@pytest.mark.parametrize("value", [0, 0.5, -1])
def test_what_cannot_work_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Options.read({name: value})


@pytest.mark.parametrize("steps", [None, [], ()])
def test_no_steps_are_the_default_steps(steps):
    assert Options.read({"priority_steps": steps}).steps == DEFAULT_STEPS


def test_a_queue_has_the_steps_and_the_prefix():
    keys = Options(steps=(0, 5), prefix="p:").queue("q")
    assert keys.lanes == ("p:{q}:lane:0", "p:{q}:lane:5")
