"""PDF documents: their text layer as an article."""

import logging
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pypdfium2
from lxml.html import Element, HtmlElement
from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError, PyPdfError

from stages.contract import Permanent
from stages.extraction.authors import names_in
from stages.extraction.counting import word_count
from stages.extraction.dates import iso_date
from stages.extraction.extracted import Extracted, described
from stages.extraction.metadata import PageMetadata
from stages.extraction.pdf_layout import Heading, blocks_of
from stages.extraction.rendering import render

# It tells of each flaw of a file; the outcome says it already.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

MAX_PAGES = 5_000
MAX_PAGE_CHARS = 200_000
MAX_CHARS = 10_000_000
"""Of all pages; what comes after them is left out."""
MAX_BOOKMARKS = 2_000
MAX_FIELD_CHARS = 500
MAX_TITLE_CHARS = 120
_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)(\d\d)?)?(?:(Z)|([+-]\d\d)'?(\d\d)?)?")
_NO_TITLE = re.compile(r"untitled|microsoft \w+ - |.*\.(?:docx?|indd|tex|dvi|pdf)$", re.IGNORECASE)
_PASSWORD = 4
"""pdfium's FPDF_ERR_PASSWORD."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\uffff]")


@dataclass(frozen=True, slots=True)
class _Read:
    """What a parser found."""

    pages: list[str]
    page_count: int
    info: dict[str, str]
    headings: list[Heading]


def extract_pdf(body: bytes) -> Extracted:
    """The text of a PDF, its headings where it has bookmarks, and its metadata.

    Raises `Permanent`: `pdf_encrypted`, `pdf_damaged`, `pdf_too_long`, `pdf_no_text` when its pages are images.
    """
    found = _by_pdfium(body) or _by_pypdf(body)
    if not any(word_count(page) for page in found.pages):
        raise Permanent("pdf_no_text")
    root = _tree(found)
    return described(
        render(root, None),
        _metadata(found.info, _first_line(root)),
        None,
        warnings=("pages_left_out",) if len(found.pages) < found.page_count else (),
        page_count=found.page_count,
    )


def _by_pdfium(body: bytes) -> _Read | None:
    """None where it cannot read the document at all."""
    try:
        document = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD:
            raise Permanent("pdf_encrypted") from None
        return None
    with closing(document):
        count = _bounded(len(document))
        if not count:
            return None
        info = {name: str(value) for name, value in document.get_metadata_dict(skip_empty=True).items()}
        pages = _up_to_limit(_page_of_pdfium(document, index) for index in range(count))
        return _Read(pages, count, info, _bookmarks(document))


def _page_of_pdfium(document: Any, index: int) -> str:
    try:
        with closing(document[index]) as page, closing(page.get_textpage()) as text:
            return str(text.get_text_range(count=min(text.count_chars(), MAX_PAGE_CHARS)))
    except pypdfium2.PdfiumError:
        return ""  # one bad page does not lose the others


def _bookmarks(document: Any) -> list[Heading]:
    found: list[Heading] = []
    try:
        for item in document.get_toc(max_depth=4):
            page = getattr(item.get_dest(), "get_index", lambda: None)()
            title = " ".join(item.get_title().split())
            if page is not None and title:
                found.append(Heading(title, item.level + 2, page))
            if len(found) >= MAX_BOOKMARKS:
                break
    except (pypdfium2.PdfiumError, AttributeError, ValueError):
        return found
    return found


def _by_pypdf(body: bytes) -> _Read:
    """More patient with damaged files, and slower."""
    try:
        reader = PdfReader(BytesIO(body), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Permanent("pdf_encrypted")
        count = _bounded(len(reader.pages))
        pages = _up_to_limit(page.extract_text()[:MAX_PAGE_CHARS] for page in reader.pages)
        info = {name.lstrip("/"): str(value) for name, value in (reader.metadata or {}).items()}
    except FileNotDecryptedError:
        raise Permanent("pdf_encrypted") from None
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OSError):
        # A damaged file trips it up in many ways.
        raise Permanent("pdf_damaged") from None
    if not count:
        raise Permanent("pdf_damaged")
    return _Read(pages, count, info, [])


def _bounded(count: int) -> int:
    if count > MAX_PAGES:
        raise Permanent("pdf_too_long")
    return count


def _up_to_limit(pages: Iterator[str]) -> list[str]:
    kept: list[str] = []
    left = MAX_CHARS
    for page in pages:
        if left <= 0:
            break
        kept.append(_UNPRINTABLE.sub("", page[:left]))
        left -= len(page)
    return kept


def _tree(found: _Read) -> HtmlElement:
    root = Element("div")
    for level, text in blocks_of(found.pages, found.headings):
        block = Element(f"h{level}" if level else "p")
        block.text = text
        root.append(block)
    return root


def _metadata(info: dict[str, str], first: str | None) -> PageMetadata:
    """What the document says of itself; `first` is its first line where that could be a title."""
    stated = _field(info, "Title")
    title = None if stated is None or _NO_TITLE.match(stated) else stated
    authors = names_in([info.get("Author", "")])
    published, modified = _iso_date(info.get("CreationDate", "")), _iso_date(info.get("ModDate", ""))
    said = {"title": title, "authors": authors, "published": published, "modified": modified}
    sources = {name: "pdf" for name, value in said.items() if value}
    return PageMetadata(
        title=title or first,
        authors=authors,
        byline=_field(info, "Author") if authors else None,
        published=published,
        modified=modified,
        sources=sources if title or not first else {**sources, "title": "text"},
    )


def _first_line(root: HtmlElement) -> str | None:
    text = root[0].text if len(root) else None
    return text if text and len(text) <= MAX_TITLE_CHARS and text[-1] not in ".!?。！？" else None


def _field(info: dict[str, str], name: str) -> str | None:
    words = " ".join(_UNPRINTABLE.sub("", info.get(name, "")).split())[:MAX_FIELD_CHARS]
    return words or None


def _iso_date(stated: str) -> str | None:
    """A date of PDF (ISO 32000-1, 7.9.4) as ISO 8601.

    >>> _iso_date("D:20260304050607+01'00'"), _iso_date("D:20260304"), _iso_date("D:2026"), _iso_date("yesterday")
    ('2026-03-04T05:06:07+01:00', '2026-03-04', None, None)
    """
    found = _DATE.match(stated)
    if found is None or not found[3]:
        return None
    year, month, day, hour, minute, second, utc, zone_h, zone_m = found.groups()
    zone = "+00:00" if utc else f"{zone_h}:{zone_m or '00'}" if zone_h else ""
    return iso_date(f"{year}-{month}-{day}" + (f"T{hour}:{minute}:{second or '00'}{zone}" if hour else ""))
