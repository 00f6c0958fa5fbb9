"""Choose the main content of a page."""

from stages.contract import Article, Page, RetryPolicy, Tools, stage
from stages.offline.reading_time import reading_time_s


@stage("extract", pool="cpu", time_limit_s=30, retry=RetryPolicy(max_attempts=3))
def extract(page: Page, tools: Tools) -> Article:
    """Find the article and its metadata, as text, as Markdown and as safe HTML.

    Parsing happens in a child process: hostile markup can cost unbounded time and memory. Raises `Permanent` with
    `no_article`, `parse_failed`, `parse_timeout` or `parse_memory`, `Transient` with `parse_crashed`.
    """
    # Imported here, so that only the processes that parse load the parsers.
    from stages.extraction.article import extract_html
    from stages.extraction.plain import extract_text

    if page.kind == "html":
        found = tools.isolate(tools.scope, extract_html, page.text, page.url)
    else:
        found = tools.isolate(tools.scope, extract_text, page.text, page.kind, page.url)
    metadata = found.metadata
    return Article(
        text=found.text,
        markdown=found.markdown,
        html=found.html,
        sections=found.sections,
        links=found.links,
        images=found.images,
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
