"""Types of single fields and parameters of the HTTP API, with what is refused of them."""

import json
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

MAX_TAGS = 20
MAX_METADATA_KEYS = 16
MAX_METADATA_BYTES = 4096


def encodable(text: str) -> str:
    """Refuse lone surrogates, which JSON can spell and no encoding can write."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("this is not valid Unicode: it has half of a surrogate pair") from None
    return text


def _once(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


def _small(metadata: dict[str, str]) -> dict[str, str]:
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"this has {size} bytes as JSON; at most {MAX_METADATA_BYTES} are kept")
    return metadata


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this moment is not within the years 1 to 9999") from None


Text = Annotated[str, AfterValidator(encodable)]
Line = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(encodable)]
"""Without control characters, some of which no database would look for."""
Tag = Annotated[Line, Field(max_length=64)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_once)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(encodable)]
Metadata = Annotated[dict[MetadataKey, Text], Field(max_length=MAX_METADATA_KEYS), AfterValidator(_small)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""RFC 3339 with a time zone."""
