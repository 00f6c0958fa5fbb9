"""Imported by the fork server of `isolation`, and by nothing else, before it forks its first child.

Children would otherwise import the worker's main module again (the console script, and with it all of the API), only
to be able to unpickle what is defined there; nothing is.
"""

from multiprocessing import spawn


def _leave_main_alone(_main: str) -> None:
    return


spawn._fixup_main_from_path = _leave_main_alone  # type: ignore[attr-defined]
spawn._fixup_main_from_name = _leave_main_alone  # type: ignore[attr-defined]
