"""Questions that hang, and questions that break."""

import threading
import time

from orchestration.doctor.deadlines import answers
from orchestration.doctor.facts import NoAnswer


def test_all_that_hang_are_left_behind_at_once_and_the_others_have_answered():
    over = threading.Event()
    hanging = {f"hanging {number}": over.wait for number in range(5)}
    began_s = time.monotonic()
    try:
        found = answers({**hanging, "quick": lambda: 7}, 0.3)
    finally:
        over.set()
    assert time.monotonic() - began_s < 1.2
    assert found == {**dict.fromkeys(hanging, NoAnswer("no answer within 0.3 s")), "quick": 7}


def test_a_question_that_breaks_is_told_without_what_the_error_says():
    def broken():
        raise RuntimeError("password hunter2")

    assert answers({"broken": broken}, 5) == {"broken": NoAnswer("the check broke off with RuntimeError")}
