"""What extraction hands back, whatever it read."""

from dataclasses import dataclass

from stages.contract.nouns import ArticleSection, Image, Link, ListEntry
from stages.extraction.counting import word_count
from stages.extraction.language import language_of, stated_language_of
from stages.extraction.markup import Markup, html_of_text, markup_of
from stages.extraction.metadata import PageMetadata
from stages.extraction.rendering import Rendered


@dataclass(frozen=True, slots=True)
class Extracted:
    """Content and metadata. Plain values, so that it crosses from the child process cheaply."""

    text: str
    markdown: str
    html: str
    sections: tuple[ArticleSection, ...]
    links: tuple[Link, ...]
    images: tuple[Image, ...]
    metadata: PageMetadata
    language: str | None
    sources: dict[str, str]
    word_count: int
    page_count: int | None = None
    """Of documents that have pages."""
    warnings: tuple[str, ...] = ()
    """Words of `stages.contract.WARNINGS`."""
    entries: tuple[ListEntry, ...] = ()
    """Of what is a list of addresses."""


def described(
    chosen: Rendered,
    metadata: PageMetadata,
    base_url: str | None,
    *,
    warnings: tuple[str, ...] = (),
    page_count: int | None = None,
    entries: tuple[ListEntry, ...] = (),
) -> Extracted:
    """The content that was chosen, in all its forms, with what is known of it."""
    markup = Markup(html_of_text(chosen.text)) if chosen.root is None else markup_of(chosen.root, base_url)
    stated = stated_language_of(metadata.stated_language)
    language = stated or language_of(None, chosen.text)
    sources = {name: source for name, source in metadata.sources.items() if name != "language" or stated}
    return Extracted(
        text=chosen.text,
        markdown=chosen.markdown,
        html=markup.html,
        sections=chosen.sections,
        links=markup.links,
        images=markup.images,
        metadata=metadata,
        language=language,
        sources=sources if stated or language is None else {**sources, "language": "detected"},
        word_count=word_count(chosen.text),
        page_count=page_count,
        warnings=warnings,
        entries=entries,
    )
