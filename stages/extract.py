"""Choose the main content of a page."""

from stages.contract import Article, Page, RetryPolicy, Tools, stage


@stage("extract", pool="cpu", time_limit_s=30, retry=RetryPolicy(max_attempts=3))
def extract(page: Page, tools: Tools) -> Article:
    """Find the article and its metadata, as text and as Markdown.

    Parsing happens in a child process: hostile markup can cost unbounded time and memory. Raises `Permanent` with
    `no_article`, `parse_failed`, `parse_timeout` or `parse_memory`, `Transient` with `parse_crashed`.
    """
    # Imported here, so that only the processes that parse load the parsers.
    from stages.extraction.article import extract_html, extract_text

    if page.kind == "html":
        found = tools.isolate(tools.scope, extract_html, page.text, page.url)
    else:
        found = tools.isolate(tools.scope, extract_text, page.text, page.kind)
    return Article(
        text=found.text,
        markdown=found.markdown,
        title=found.title,
        byline=found.byline,
        published=found.published,
        language=found.language,
        site_name=found.site_name,
        url=page.url,
        word_count=found.word_count,
        warnings=(*page.warnings, *found.warnings),
    )
