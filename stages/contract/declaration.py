"""A stage is a frozen value: its name, what it takes and gives, and how it wants to be run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, get_args, get_type_hints

from stages.contract.nouns import Payload
from stages.contract.retry import RetryPolicy
from stages.contract.tools import Tools

In_contra = TypeVar("In_contra", bound=Payload, contravariant=True)
Out_co = TypeVar("Out_co", bound=Payload, covariant=True)
TakenT = TypeVar("TakenT", bound=Payload)
GivenT = TypeVar("GivenT", bound=Payload)

Pool = Literal["io", "cpu"]
Guard = Callable[[Any, Tools], str | None]


def _unguarded(_payload: Any, _tools: Tools) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Stage(Generic[In_contra, Out_co]):
    """One step of a pipeline. Queue, routing, task and retry policy all follow from this declaration."""

    name: str
    """Stable: stored in records and used as the name of the queue."""
    run: Callable[[In_contra, Tools], Out_co]
    accepts: tuple[type[Payload], ...]
    """Any of these nouns, or a subclass, fits as input."""
    returns: type[Payload]
    pool: Pool = "io"
    """`io` waits most of the time and runs many at once; `cpu` runs about one a core."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    time_limit_s: float = 60.0
    """Total deadline of one attempt, in seconds."""
    guard: Guard = _unguarded
    """Names the external dependency a circuit breaker protects for this payload, or None."""

    def takes(self, noun: type[Payload]) -> bool:
        """Whether a payload of this type fits as input."""
        return issubclass(noun, self.accepts)


def stage(
    name: str,
    *,
    pool: Pool = "io",
    retry: RetryPolicy | None = None,
    time_limit_s: float = 60.0,
    guard: Guard = _unguarded,
) -> Callable[[Callable[[TakenT, Tools], GivenT]], Stage[TakenT, GivenT]]:
    """Declare a function `(payload, tools) -> payload` as a stage; its annotations say what it takes and gives."""

    def declare(run: Callable[[TakenT, Tools], GivenT]) -> Stage[TakenT, GivenT]:
        hints = get_type_hints(run)
        returns = hints.pop("return")
        taken = next(iter(hints.values()))
        return Stage(
            name=name,
            run=run,
            accepts=get_args(taken) or (taken,),
            returns=returns,
            pool=pool,
            retry=retry or RetryPolicy(),
            time_limit_s=time_limit_s,
            guard=guard,
        )

    return declare
