"""Code, inline and in blocks: the one place where white space counts."""

import re
from collections.abc import Iterator

from lxml.etree import iterwalk
from lxml.html import HtmlElement

LINES = frozenset({"div", "li", "p", "tr"})
"""Elements that highlighters wrap around a line of code."""


def verbatim(element: HtmlElement) -> str:
    """The text of an element as it is laid out: its own white space, and a line for each break or line element."""
    return "".join(_pieces(element)).strip("\n").rstrip()


def inline_code(element: HtmlElement) -> tuple[str, str]:
    """As text and as a Markdown code span, on one line."""
    plain = " ".join(verbatim(element).split())
    fence = "`" * (_longest_run(plain) + 1)
    space = " " if "`" in plain else ""
    return plain, f"{fence}{space}{plain}{space}{fence}" if plain else ""


def code_block(element: HtmlElement) -> tuple[str, str]:
    """As text and as a fenced Markdown block that its own content cannot end."""
    code = verbatim(element)
    fence = "`" * max(3, _longest_run(code) + 1)
    return code, f"{fence}{_language(element)}\n{code}\n{fence}" if code else ""


def _pieces(root: HtmlElement) -> Iterator[str]:
    at_line_start = True
    for event, element in iterwalk(root, events=("start", "end")):
        if event == "start":
            pieces = ["\n" if element.tag == "br" else "", element.text or ""]
        elif element is not root:
            ends_line = element.tag in LINES and not at_line_start
            pieces = ["\n" if ends_line else "", element.tail or ""]
        else:
            pieces = []
        for piece in filter(None, pieces):
            at_line_start = piece.endswith("\n")
            yield piece


def _language(element: HtmlElement) -> str:
    """The language of a code block, by the class names that highlighters use."""
    classes = " ".join(node.get("class") or "" for node in (element, *element.iterchildren("code")))
    found = re.search(r"(?:^|\s)(?:language|lang|brush:?)[-\s]([\w+#-]{1,20})", classes)
    return found[1] if found else ""


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
