"""Questions that may never be answered, asked at once and waited for no longer than a deadline."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from orchestration.doctor.facts import NoAnswer

T = TypeVar("T")


def answers(questions: Mapping[str, Callable[[], T | NoAnswer]], within_s: float) -> dict[str, T | NoAnswer]:
    """The answer to each question, by its name. One that hangs is left behind, in a thread that holds up no exit."""
    found: dict[str, T | NoAnswer] = {}

    def ask(name: str) -> None:
        try:
            found[name] = questions[name]()
        except Exception as error:  # one check that breaks must not hide the others
            # By its type alone: the text of a foreign error may quote a password.
            found[name] = NoAnswer(f"the check broke off with {type(error).__name__}")

    over_at_s = time.monotonic() + within_s
    threads = [threading.Thread(target=ask, args=(name,), name=f"doctor-{name}", daemon=True) for name in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, over_at_s - time.monotonic()))
    late = NoAnswer(f"no answer within {within_s:g} s")
    return {name: found.get(name, late) for name in questions}
