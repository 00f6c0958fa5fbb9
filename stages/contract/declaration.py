"""A stage is a frozen value: its name, what it takes and gives, and how it wants to be run."""

from collections.abc import Callable, Iterable, Sequence
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


def _never(_results: Sequence[Any], _tools: Tools) -> Iterable[Payload]:
    return ()


@dataclass(frozen=True, slots=True)
class FanOut:
    """How a stage does a large payload in parts. Each part is an attempt of its own, with its own retries.

    `split` and `regroup` call nothing outside; the stage's guard stands before `map`, `reduce` and `run` only. What
    they yield is stored piece by piece, so a generator keeps memory bounded. They do the same with the same payload, or
    a run that is retried could not take over the parts that are done.
    """

    split: Callable[[Any, Tools], Iterable[Payload]]
    """`(payload, tools)` to the payloads of the parts; none when the stage does this payload whole, by its `run`."""
    map: Callable[[Any, Tools], Payload]
    """`(part, tools)` to the result of one part; also of those that `regroup` makes."""
    reduce: Callable[[Any, Sequence[Any], Tools], Payload]
    """`(payload, results, tools)` to the output of the stage; the results are in the order of the parts."""
    regroup: Callable[[Sequence[Any], Tools], Iterable[Payload]] = _never
    """`(results, tools)` to further parts where there is more than `reduce` can take; none, the default, where not."""


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
    fan_out: FanOut | None = None
    """How it does a large payload in parts; None, the default, for one that never does."""

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
    fan_out: FanOut | None = None,
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
            fan_out=fan_out,
        )

    return declare
