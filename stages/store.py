"""Compose the final document from what the run recorded. Completing this stage is what finishes the job."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from stages.contract import Analysis, Article, Content, Document, JobFacts, Page, Payload, Step, Summary, Tools, stage
from stages.contract.document import DocumentSource, Metadata, StageProvenance

Noun = TypeVar("Noun", bound=Payload)


@stage("store", time_limit_s=60)
def store(_content: Content, tools: Tools) -> Document:
    """Put the last page, article, summary and analysis of the run into one document, with their provenance."""
    outputs = {step.stage: tools.history.load(step) for step in tools.history.steps}
    article, summary = _last(outputs, Article), _last(outputs, Summary)
    return Document(
        job_id=tools.job.job_id,
        run=tools.job.run,
        pipeline=tools.job.pipeline,
        created_at=tools.job.created_at,
        source=_source(tools.job, _last(outputs, Page)),
        metadata=_metadata(article),
        text=article.text if article else "",
        markdown=article.markdown if article else "",
        html=article.html if article else "",
        sections=article.sections if article else (),
        links=article.links if article else (),
        images=article.images if article else (),
        entries=article.entries if article else (),
        summary=summary,
        data=summary.data if summary else None,
        analysis=_last(outputs, Analysis),
        extra={name: output.model_dump(mode="json") for name, output in outputs.items() if _is_extra(output)},
        warnings=article.warnings if article else (),
        provenance=_provenance(tools.history.steps),
    )


def _last(outputs: Mapping[str, Payload], noun: type[Noun]) -> Noun | None:
    found = [output for output in outputs.values() if isinstance(output, noun)]
    return found[-1] if found else None


def _is_extra(output: Payload) -> bool:
    return isinstance(output, Content) and not isinstance(output, Article | Summary | Analysis)


def _source(job: JobFacts, page: Page | None) -> DocumentSource:
    return DocumentSource(
        url=job.source_url,
        final_url=page.url if page else None,
        name=job.source_name,
        content_type=job.source_content_type,
        charset=page.charset if page else None,
        fetched_at=page.fetched_at if page else None,
        cache=page.cache if page else None,
    )


def _metadata(article: Article | None) -> Metadata:
    if article is None:
        return Metadata()
    return Metadata(**{name: getattr(article, name) for name in Metadata.model_fields})


def _provenance(steps: Sequence[Step]) -> tuple[StageProvenance, ...]:
    return tuple(
        StageProvenance(
            stage=step.stage,
            attempts=step.attempts,
            started_at=step.started_at,
            finished_at=step.finished_at,
            duration_s=step.duration_s,
            sha256=step.sha256,
            size=step.size,
            media_type=step.media_type,
        )
        for step in steps
    )
