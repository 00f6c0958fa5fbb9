"""Answers that a client has already: entity tags and `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1.2)."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated

from fastapi import Header, Response, status
from pydantic import BaseModel

IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="Tags from `ETag`; 304 if one of them still holds.")
]

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def strong_tag(digest: str, form: str = "") -> str:
    """Of content that is known by its hash, in one of its forms.

    >>> strong_tag("e3b0"), strong_tag("e3b0", "markdown")
    ('"e3b0"', '"e3b0-markdown"')
    """
    return f'"{digest}-{form}"' if form else f'"{digest}"'


def weak_tag(view: BaseModel) -> str:
    """Of what a view says; another way to write the same would do as well."""
    return f'W/"{sha256(view.model_dump_json().encode()).hexdigest()[:32]}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Whether a client that sends this header has what the tag stands for; weak and strong tags compare alike.

    >>> is_known('"a"', '"b", W/"a"'), is_known('W/"a"', '"a"'), is_known('"a"', "*"), is_known('"a"', None)
    (True, True, True, False)
    """
    given = (if_none_match or "").strip()
    return given == "*" or tag.removeprefix("W/") in _TAG.findall(given)


def not_modified(headers: Mapping[str, str]) -> Response:
    """304, with the headers that the whole answer would have had."""
    return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=dict(headers))
