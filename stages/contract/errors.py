"""How a stage says that it did not succeed.

    StageError
    ├── Transient    may work next time: spends an attempt and backs off
    ├── Postponed    cannot work yet: waits without spending an attempt
    │   └── Awaited      it is another's turn, or another attempt does the same: nobody was called
    ├── Permanent    will not work: fails the job at once
    └── Cancelled    the client called the job off

Every error carries a stable `code` from `stages.contract.codes`. An exception outside this tree is a defect.
"""

from typing import Any

from stages.contract.codes import CODES


class StageError(Exception):
    """A stage did not succeed; `code` says why in a stable word, `message` in a sentence for a person."""

    def __init__(self, code: str, message: str | None = None) -> None:
        self.code = code
        self.message = message or CODES[code].meaning
        super().__init__(f"{code}: {self.message}")

    @property
    def blames_dependency(self) -> bool:
        """Whether a circuit breaker should count this against the dependency that was called."""
        return CODES[self.code].blames_dependency

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without calling the constructors, whose parameters differ; errors cross process borders."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[StageError], args: tuple[Any, ...], state: dict[str, Any]) -> StageError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class Transient(StageError):
    """The same call may succeed later; one attempt is spent."""


class Postponed(StageError):
    """The dependency asks for patience; no attempt is spent."""

    def __init__(self, code: str, message: str | None = None, *, delay_s: float) -> None:
        super().__init__(code, message)
        self.delay_s = delay_s


class Awaited(Postponed):
    """It is not this attempt's turn yet, or another one is doing the same.

    It called nobody, so it learned nothing of its dependency, and its waiting does not count as parking.
    """


class Permanent(StageError):
    """Trying again would give the same answer."""


class Cancelled(StageError):
    """The job was cancelled while the stage was running."""

    def __init__(self) -> None:
        super().__init__("cancelled")
