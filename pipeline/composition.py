"""Stages joined in an order whose types fit.

`begin(fetch).then(extract)` is checked twice: by the type checker, and at import, so that a misordered
pipeline never starts.

    >>> from pipeline.definition import CATALOG
    >>> CATALOG.pipeline("summarize").stage_names
    ('fetch', 'extract', 'summarize', 'store')
    >>> CATALOG.custom(["fetch", "summarize", "store"])
    Traceback (most recent call last):
    ...
    pipeline.errors.MisorderedStages: "summarize" takes Article, but "fetch" before it gives Page
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

from pipeline.errors import MisorderedStages, RenderUnavailable, UnknownPipeline, UnknownStage
from stages.contract import Document, Payload, Source, Stage

Out_co = TypeVar("Out_co", bound=Payload, covariant=True)
Next = TypeVar("Next", bound=Payload)

AnyStage = Stage[Any, Payload]
MAX_STAGES = 10
"""Keeps the first message of a chain, which holds all links, below 8 KB whatever the stages are called."""
CUSTOM = "custom"
"""The pipeline name of a job that names its own stages."""


@dataclass(frozen=True, slots=True)
class Joined(Generic[Out_co]):
    """Stages in order, from a source to an `Out_co`."""

    stages: tuple[AnyStage, ...]

    def then(self, following: "Stage[Out_co, Next]") -> "Joined[Next]":
        """Add a stage that takes what the last one gives; raises `MisorderedStages` if it does not."""
        return Joined((*self.stages, _fitting(self.stages[-1], following)))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A named order of stages, from a source to a document."""

    name: str
    stages: tuple[AnyStage, ...]

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.stages)


def begin(first: Stage[Source, Next]) -> Joined[Next]:
    """Start a pipeline with a stage that takes the job's source."""
    return Joined((_starting(first),))


def named(name: str, joined: Joined[Document]) -> Pipeline:
    """Name a finished order."""
    return Pipeline(name, _ending(joined.stages))


class Catalog:
    """All pipelines a deployment knows, and through them all stages."""

    def __init__(self, pipelines: Iterable[Pipeline], *, render: AnyStage | None = None) -> None:
        """`render` stands first in the pipelines of jobs that ask for a browser; None where there is none."""
        self.pipelines = {pipeline.name: pipeline for pipeline in pipelines}
        self.stages = {stage.name: stage for pipeline in self.pipelines.values() for stage in pipeline.stages}
        self.render = render
        if render is not None:
            self.stages[render.name] = render

    def without_render(self) -> "Catalog":
        """The same for a deployment without a browser: no stage that nobody would serve."""
        return Catalog(self.pipelines.values())

    def rendering(self, pipeline: Pipeline) -> Pipeline:
        """The same with a browser as its first stage. Raises `RenderUnavailable` or `MisorderedStages`."""
        if self.render is None:
            raise RenderUnavailable
        return Pipeline(pipeline.name, _ordered((self.render, *pipeline.stages[1:])))

    def pipeline(self, name: str) -> Pipeline:
        """Look a pipeline up; raises `UnknownPipeline`."""
        try:
            return self.pipelines[name]
        except KeyError:
            raise UnknownPipeline(name, tuple(self.pipelines)) from None

    def stage(self, name: str) -> AnyStage:
        """Look a stage up; raises `UnknownStage`."""
        try:
            return self.stages[name]
        except KeyError:
            raise UnknownStage(name, tuple(self.stages)) from None

    def custom(self, names: Sequence[str]) -> Pipeline:
        """A job's own order; raises `UnknownStage` or `MisorderedStages`."""
        if not 0 < len(names) <= MAX_STAGES:
            raise MisorderedStages(f"a job names 1 to {MAX_STAGES} stages")
        if len(set(names)) != len(names):
            raise MisorderedStages("a stage can stand only once in a job")
        return Pipeline(CUSTOM, _ordered([self.stage(name) for name in names]))


def _ordered(stages: Sequence[AnyStage]) -> tuple[AnyStage, ...]:
    _starting(stages[0])
    for left, right in pairwise(stages):
        _fitting(left, right)
    return _ending(tuple(stages))


def _starting(first: Stage[Source, Next]) -> Stage[Source, Next]:
    if not first.takes(Source):
        raise MisorderedStages(f'"{first.name}" takes {_nouns(first)}, so it cannot come first')
    return first


def _fitting(left: AnyStage, right: AnyStage) -> AnyStage:
    if not right.takes(left.returns):
        raise MisorderedStages(
            f'"{right.name}" takes {_nouns(right)}, but "{left.name}" before it gives {left.returns.__name__}'
        )
    return right


def _ending(stages: tuple[AnyStage, ...]) -> tuple[AnyStage, ...]:
    last = stages[-1]
    if not issubclass(last.returns, Document):
        raise MisorderedStages(
            f'the last stage has to give a Document, but "{last.name}" gives {last.returns.__name__}'
        )
    return stages


def _nouns(stage: AnyStage) -> str:
    return " or ".join(noun.__name__ for noun in stage.accepts)
