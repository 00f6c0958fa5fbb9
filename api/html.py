"""A document as an HTML page to be saved: it names its charset and its title, and needs nothing else."""

from html import escape

from stages.contract import Document

_PAGE = """<!doctype html>
<html{language}>
<head>
<meta charset="utf-8">
<title>{title}</title>
</head>
<body>
{content}
</body>
</html>
"""


def as_html(document: Document) -> str:
    """The article, whose markup was sanitized when it was extracted.

    Documents of versions that knew no HTML have their text instead.
    """
    language = document.metadata.language
    return _PAGE.format(
        language=f' lang="{escape(language)}"' if language else "",
        title=escape(document.metadata.title or "Untitled"),
        content=document.html or f"<pre>{escape(document.text)}</pre>",
    )
