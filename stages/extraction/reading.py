"""Which reader reads which kind of page; what is called in the child process."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.extraction.extracted import Extracted


def read_content(kind: str, text: str, body: bytes, url: str | None) -> "Extracted":
    """What is to be read of a page of any kind. Raises `Permanent`, see the readers."""
    # Imported here, so that only the processes that parse load the parsers.
    match kind:
        case "html":
            from stages.extraction.article import extract_html

            return extract_html(text, url)
        case "pdf":
            from stages.extraction.pdf import extract_pdf

            return extract_pdf(body)
        case "feed":
            from stages.extraction.feeds import extract_feed

            return extract_feed(text, url)
        case "sitemap":
            from stages.extraction.listings import extract_sitemap

            return extract_sitemap(text, url)
        case "opml":
            from stages.extraction.listings import extract_opml

            return extract_opml(text, url)
        case _:
            from stages.extraction.plain import extract_text

            return extract_text(text, kind, url)
