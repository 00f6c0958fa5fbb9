"""Choose the main content of a page."""

from stages.contract import Article, Page, RetryPolicy, Tools, stage
from stages.extraction.reading import read_content
from stages.offline.reading_time import reading_time_s


@stage("extract", pool="cpu", time_limit_s=30, retry=RetryPolicy(max_attempts=3))
def extract(page: Page, tools: Tools) -> Article:
    """Find the article and its metadata, as text, as Markdown and as safe HTML.

    Parsing happens in a child process: hostile markup can cost unbounded time and memory. Raises `Permanent` with
    `no_article`, `parse_failed`, one of the `pdf_` codes, `parse_timeout` or `parse_memory`, `Transient` with
    `parse_crashed`.
    """
    found = tools.isolate(tools.scope, read_content, page.kind, page.text, page.body or b"", page.url)
    metadata = found.metadata
    return Article(
        text=found.text,
        markdown=found.markdown,
        html=found.html,
        sections=found.sections,
        links=found.links,
        images=found.images,
        entries=found.entries,
        title=metadata.title,
        authors=metadata.authors,
        byline=metadata.byline,
        published=metadata.published,
        modified=metadata.modified,
        language=found.language,
        site_name=metadata.site_name,
        canonical_url=metadata.canonical_url,
        image=metadata.image,
        license=metadata.license,
        sources=found.sources,
        url=page.url,
        word_count=found.word_count,
        reading_time_s=reading_time_s(found.text),
        page_count=found.page_count,
        warnings=(*page.warnings, *found.warnings),
    )
