"""The final result of a job: the document that its last stage composes of all that was recorded."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from stages.contract.nouns import (
    Analysis,
    ArticleSection,
    CacheUse,
    Image,
    Link,
    ListEntry,
    Payload,
    Summary,
)


class StageProvenance(BaseModel):
    """How one stage of the run came to its result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    attempts: int
    started_at: AwareDatetime
    finished_at: AwareDatetime
    duration_s: float
    sha256: str
    """Of the stage's output, uncompressed."""
    size: int
    """Of the stage's output, in bytes, uncompressed."""
    media_type: str


class DocumentSource(BaseModel):
    """Where a document came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = None
    final_url: str | None = None
    name: str | None = None
    content_type: str | None = None
    charset: str | None = None
    fetched_at: datetime | None = None
    cache: CacheUse | None = None


class Metadata(BaseModel):
    """What a page says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str | None = None
    authors: tuple[str, ...] = ()
    byline: str | None = None
    published: str | None = None
    modified: str | None = None
    language: str | None = None
    site_name: str | None = None
    canonical_url: str | None = None
    image: str | None = None
    license: str | None = None
    sources: dict[str, str] = Field(default_factory=dict)
    """Where each of these was found, by its name."""
    word_count: int | None = None
    reading_time_s: int | None = None
    page_count: int | None = None


class Document(Payload):
    """The final result of a job."""

    job_id: str
    run: int
    pipeline: str
    created_at: AwareDatetime
    source: DocumentSource
    metadata: Metadata
    text: str = Field(repr=False)
    markdown: str = Field(repr=False)
    html: str = Field(default="", repr=False)
    sections: tuple[ArticleSection, ...] = ()
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()
    entries: tuple[ListEntry, ...] = Field(default=(), repr=False)
    """What it lists, where it is a sitemap, a feed or OPML."""
    summary: Summary | None = None
    data: dict[str, Any] | None = None
    """That of the summary, where a job asked for data."""
    analysis: Analysis | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    """Outputs of further stages, by the name of the stage."""
    warnings: tuple[str, ...] = ()
    """Words of `stages.contract.WARNINGS`: why this may not be all of the page."""
    provenance: tuple[StageProvenance, ...]
