"""Plain text and Markdown, which are content as a whole."""

import re

from markdown_it import MarkdownIt

from stages.contract import Permanent
from stages.extraction.counting import word_count
from stages.extraction.extracted import Extracted, described
from stages.extraction.listings import urls_in
from stages.extraction.metadata import PageMetadata
from stages.extraction.rendering import Rendered, escaped_markdown, render
from stages.extraction.trees import drop_unrendered, parse_page


def extract_text(text: str, kind: str, url: str | None = None) -> Extracted:
    """Take plain text or Markdown as a whole. Raises `Permanent` with `no_article` when there is none."""
    body = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    content, title = _by_markdown(body, url) if kind == "markdown" else (Rendered(body, escaped_markdown(body)), None)
    if not word_count(content.text):
        raise Permanent("no_article")
    found = title or _short_first_line(content.text)
    metadata = PageMetadata(title=found, sources={"title": kind} if found else {})
    return described(content, metadata, url, entries=urls_in(body) if kind == "text" else ())


def _by_markdown(body: str, url: str | None) -> tuple[Rendered, str | None]:
    """Markdown read and written anew, so that it carries no more than what is taken from HTML; and its heading."""
    html = MarkdownIt("commonmark").enable("table").render(body)
    tree = parse_page(html)
    heading = next(tree.iter("h1", "h2"), None)
    title = " ".join(heading.text_content().split()) if heading is not None else None
    drop_unrendered(tree)
    return render(tree, url), title


def _short_first_line(text: str) -> str | None:
    """The first line, where it stands alone and ends like a title."""
    first, _, rest = text.partition("\n")
    return first.strip() if rest.startswith("\n") and len(first) <= 120 and first[-1] not in ".!?。！？" else None
