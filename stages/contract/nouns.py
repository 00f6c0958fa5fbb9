"""The payloads that travel between stages. Stages are verbs, payloads are shared nouns.

Payload
├── Source       what the client gave: a URL, or content
├── Page         what was fetched or submitted: decoded text, or a PDF
├── Passage      a part of a long article, or notes on several, to be read on its own
├── Notes        what a passage says, shorter
├── Content      what a final document can carry
│   ├── Article
│   ├── Summary
│   └── Analysis
└── Document     the final result, in `stages.contract.document`
"""

from typing import Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from stages.contract.options import Processing

Method = Literal["llm", "extractive"]
PageKind = Literal["html", "text", "markdown", "feed", "sitemap", "opml", "pdf"]
CacheUse = Literal["hit", "revalidated", "miss"]
"""Where a page came from: a stored copy, one that its host confirmed, or its host."""


class Payload(BaseModel):
    """A noun with a canonical JSON form, addressed by its media type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    media_type: ClassVar[str] = ""
    by_media_type: ClassVar[dict[str, "type[Payload]"]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.media_type = f"application/vnd.penstock.{cls.__name__.lower()}+json"
        Payload.by_media_type[cls.media_type] = cls

    def to_bytes(self) -> bytes:
        """The canonical form that is stored and hashed."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote."""
        return cls.model_validate_json(data)


class Source(Payload):
    """What the client asked to have read: a URL, or the content itself."""

    url: str | None = None
    body: bytes | None = Field(default=None, repr=False)
    content_type: str | None = None
    """Of `body`, as an HTTP header would say it; None when unknown."""
    name: str | None = None
    """File name of `body`, where it has one."""


class Page(Payload):
    """A page as it came, before anything was chosen from it: as text, or as bytes where it is a PDF."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    kind: PageKind
    text: str = Field(default="", repr=False)
    charset: str | None = None
    """Of `text`."""
    body: bytes | None = Field(default=None, repr=False)
    """Of a kind that is not text; in JSON as base64."""
    url: str | None = None
    """Where the page was found after redirects; None for submitted content."""
    requested_url: str | None = None
    redirects: tuple[str, ...] = ()
    status: int | None = None
    fetched_at: AwareDatetime
    """When the host sent it, or confirmed the stored copy."""
    cache: CacheUse | None = None
    """None for submitted content."""
    wire_bytes: int
    decoded_bytes: int
    warnings: tuple[str, ...] = ()
    """Words of `stages.contract.WARNINGS`."""


class Content(Payload):
    """Anything that `store` can compose into a document."""


class ArticleSection(BaseModel):
    """A heading of an article, and where it is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    heading: str
    level: int = Field(ge=1, le=6)
    anchor: str
    """The id of the heading in the article's HTML."""
    text_start: int
    """Where the heading begins in the article's text, in characters."""
    markdown_start: int
    """The same for its Markdown."""


class Link(BaseModel):
    """A link in an article."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    """Absolute; http, https or mailto."""
    text: str


class Image(BaseModel):
    """An image in an article."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    """Absolute; http or https."""
    alt: str


class ListEntry(BaseModel):
    """What a sitemap, a feed or an OPML file lists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    """Absolute; http or https."""
    title: str | None = None
    date: str | None = None
    """ISO 8601: when it was published or last changed, as precise as the list states it."""
    is_source: bool = False
    """Whether it is such a list itself."""


class Article(Content):
    """The main content of a page, free of boilerplate."""

    text: str = Field(repr=False)
    markdown: str = Field(repr=False)
    html: str = Field(default="", repr=False)
    """Sanitized by an allow list."""
    sections: tuple[ArticleSection, ...] = ()
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()
    entries: tuple[ListEntry, ...] = Field(default=(), repr=False)
    """Of a sitemap, a feed, OPML, or a text that has a URL on each line."""
    title: str | None = None
    authors: tuple[str, ...] = ()
    byline: str | None = None
    """The authors as the page writes them."""
    published: str | None = None
    """ISO 8601 date or date-time, as precise as the page states it."""
    modified: str | None = None
    """As `published`."""
    language: str | None = None
    """ISO 639-1 code, stated by the page or detected."""
    site_name: str | None = None
    canonical_url: str | None = None
    image: str | None = None
    """URL of the lead image."""
    license: str | None = None
    """As the page states it: a URL or a name."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Where each of these was found, by its name; see the reference."""
    url: str | None = None
    word_count: int
    reading_time_s: int | None = None
    page_count: int | None = None
    """Of documents that have pages."""
    warnings: tuple[str, ...] = ()
    """Words of `stages.contract.WARNINGS`: what of the page is not here."""


class Span(BaseModel):
    """A stretch of an article's text, in characters (Unicode code points): `text[start:end]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(ge=0)
    end: int


class KeyPoint(BaseModel):
    """One sentence of a detailed summary, with what it stands on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    support: tuple[Span, ...] = ()
    """The passages of the article that say it, found by us; empty where none was found."""

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        """As it was recorded before points had support."""
        return {"text": value} if isinstance(value, str) else value


class Unsupported(BaseModel):
    """A number or a name in a summary that stands nowhere in its source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["number", "name"]
    text: str


Removed = Literal["links", "markup", "instructions", "points"]
"""What was taken out of a language model's answer: links and markup that are not the article's, sentences of the
instructions it was given, points that no passage supports."""


class Section(BaseModel):
    """One part of a detailed summary."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    heading: str
    text: str


class Usage(BaseModel):
    """What a call to a language model cost, as its server reports it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_tokens: int
    output_tokens: int
    cached: bool = False
    """Whether it was asked before, and cost nothing now."""
    saved_tokens: int = 0
    """What it cost then."""


class Passage(Payload):
    """A part of a long article, or notes on several parts, to be read on its own."""

    title: str | None = None
    text: str = Field(repr=False)
    language: str | None = None
    start: int = 0
    """Where it begins in the article's text, in characters."""
    number: int = 1
    count: int = 1
    """Of all passages of the article."""
    of_notes: bool = False
    parts: int = 1
    """How many passages of the article went into it."""
    usage: Usage | None = None
    """Of what was asked to get here."""


class Notes(Payload):
    """What a passage says, shorter."""

    text: str = Field(repr=False)
    parts: int
    """How many passages of the article went into it."""
    usage: Usage | None = None
    """Of all that was asked to get here."""
    fallback_reason: str | None = None
    """The code of why it was made without the language model although one is configured; None otherwise."""


class Summary(Content):
    """An article in short."""

    text: str
    """Empty where data was asked for."""
    key_points: tuple[KeyPoint, ...] = ()
    sections: tuple[Section, ...] = ()
    data: dict[str, Any] | None = None
    """What a job with a `schema` asked for; it fits the schema."""
    unsupported: tuple[Unsupported, ...] = ()
    """What is said above and stands nowhere in the source; always empty for an extractive summary."""
    removed: tuple[Removed, ...] = ()
    processing: Processing
    method: Method
    """`llm`, or `extractive` when no language model is configured."""
    fallback_reason: str | None = None
    """The code of why it was made without the language model although one is configured; None otherwise."""
    model: str | None = None
    usage: Usage | None = None
    parts: int = 1
    """In how many parts the article was read; more than 1 when it is longer than the model reads at once."""
    language: str | None = None


class Entity(BaseModel):
    """A name that the text speaks of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["person", "organization", "place", "date", "number", "other"]
    mentions: int = 1


class Sentiment(BaseModel):
    """The tone of a text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Literal["positive", "neutral", "negative", "unknown"]
    score: float | None = Field(default=None, ge=-1, le=1)
    """-1 is entirely negative, 1 entirely positive; None where the language is not covered."""


class Analysis(Content):
    """What a text is about."""

    topics: tuple[str, ...]
    entities: tuple[Entity, ...]
    sentiment: Sentiment
    key_facts: tuple[str, ...]
    reading_time_s: int
    method: Method
    fallback_reason: str | None = None
    """The code of why it was made without the language model although one is configured; None otherwise."""
    model: str | None = None
    usage: Usage | None = None
    parts: int = 1
