from dataclasses import replace

import pytest

from pipeline.composition import CUSTOM, MAX_STAGES, Catalog, begin, named
from pipeline.definition import CATALOG, DEFAULT_PIPELINE
from pipeline.errors import MisorderedStages, Refused, RenderUnavailable, UnknownPipeline, UnknownStage
from stages.analyze import analyze
from stages.contract import Article, Document, Source, Tools, stage
from stages.extract import extract
from stages.fetch import fetch
from stages.render import render
from stages.store import store
from stages.summarize import summarize
from tests.support.catalogs import FIVE, five_stages, translate


def test_the_pipelines_on_offer() -> None:
    assert {name: pipeline.stage_names for name, pipeline in CATALOG.pipelines.items()} == {
        "summarize": ("fetch", "extract", "summarize", "store"),
        "analyze": ("fetch", "extract", "analyze", "store"),
        "extract": ("fetch", "extract", "store"),
    }
    assert DEFAULT_PIPELINE in CATALOG.pipelines
    assert set(CATALOG.stages.values()) == {fetch, render, extract, summarize, analyze, store}


def test_a_stage_of_ones_own_fits_anywhere() -> None:
    catalog = five_stages()
    assert catalog.pipeline("translated").stage_names == FIVE
    assert catalog.stage("translate") is translate
    assert catalog.custom(["fetch", "extract", "translate", "store"]).name == CUSTOM


@pytest.mark.parametrize(
    "names",
    [["fetch", "extract", "store"], ["fetch", "extract", "analyze", "store"]],
)
def test_a_job_may_name_its_own_order(names: list[str]) -> None:
    pipeline = CATALOG.custom(names)
    assert (pipeline.name, list(pipeline.stage_names)) == (CUSTOM, names)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["fetch", "summarize", "store"], '"summarize" takes Article, but "fetch" before it gives Page'),
        (["fetch", "extract", "summarize", "analyze", "store"], '"analyze" takes Article, but "summarize"'),
        (["store"], '"store" takes Content, so it cannot come first'),
        (["extract", "store"], '"extract" takes Page, so it cannot come first'),
        (["fetch", "extract"], 'the last stage has to give a Document, but "extract" gives Article'),
        (["fetch"], 'the last stage has to give a Document, but "fetch" gives Page'),
        (["fetch", "extract", "store", "store"], "a stage can stand only once in a job"),
        ([], f"a job names 1 to {MAX_STAGES} stages"),
        (["fetch"] * (MAX_STAGES + 1), f"a job names 1 to {MAX_STAGES} stages"),
    ],
)
def test_an_order_that_does_not_fit_is_refused_with_the_reason(names: list[str], message: str) -> None:
    with pytest.raises(MisorderedStages) as refused:
        CATALOG.custom(names)
    assert message in str(refused.value)
    assert refused.value.code == "misordered_stages"


def test_what_is_unknown_is_refused_with_what_is_known() -> None:
    with pytest.raises(UnknownStage, match='no stage "fry"; known are fetch, extract'):
        CATALOG.custom(["fetch", "fry"])
    with pytest.raises(UnknownPipeline, match='no pipeline "fry"; known are summarize, analyze, extract'):
        CATALOG.pipeline("fry")
    assert issubclass(UnknownStage, Refused)
    assert issubclass(UnknownPipeline, Refused)


def test_a_misordered_pipeline_never_starts() -> None:
    with pytest.raises(MisorderedStages):
        begin(fetch).then(summarize)  # type: ignore[arg-type]
    with pytest.raises(MisorderedStages):
        begin(extract)  # type: ignore[arg-type]
    with pytest.raises(MisorderedStages):
        named("endless", begin(fetch).then(extract))  # type: ignore[arg-type]


def test_the_longest_order_is_accepted() -> None:
    middle = [replace(translate, name=f"translate-{number}") for number in range(MAX_STAGES - 3)]
    joined = begin(fetch).then(extract)
    for each in middle:
        joined = joined.then(each)
    catalog = Catalog([named("long", joined.then(store))])
    assert len(catalog.custom(catalog.pipeline("long").stage_names).stages) == MAX_STAGES


def test_one_stage_may_be_a_pipeline() -> None:
    @stage("at_once")
    def at_once(_source: Source, _tools: Tools) -> Document:
        raise NotImplementedError

    assert named("one", begin(at_once)).stage_names == ("at_once",)


def test_a_stage_may_take_one_of_several_nouns() -> None:
    @stage("either")
    def either(_payload: Source | Article, _tools: Tools) -> Article:
        raise NotImplementedError

    assert begin(either).then(either).then(store).stages == (either, either, store)
    with pytest.raises(MisorderedStages, match='"either" takes Source or Article, but "fetch"'):
        begin(fetch).then(either)  # type: ignore[arg-type]


def test_a_browser_stands_first_where_a_job_asks_for_it() -> None:
    rendered = CATALOG.rendering(CATALOG.pipeline("extract"))
    assert (rendered.name, rendered.stage_names) == ("extract", ("render", "extract", "store"))
    assert CATALOG.rendering(rendered).stage_names == rendered.stage_names
    assert "render" in CATALOG.stages


def test_without_a_browser_nothing_is_rendered() -> None:
    bare = CATALOG.without_render()
    assert "render" not in bare.stages
    assert bare.pipelines == CATALOG.pipelines
    with pytest.raises(RenderUnavailable, match=r"penstock\[render\]"):
        bare.rendering(bare.pipeline("extract"))
    with pytest.raises(UnknownStage):
        bare.custom(["render", "extract", "store"])
