"""A file on its way out, read from disk while it is sent."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

Source = str | os.PathLike[str] | BinaryIO
"""A path, or a file that is open for bytes and can be sought."""

UNNAMED = "upload"


@dataclass(frozen=True, slots=True)
class Form:
    """A file and the options of its job. Sent again, it is read from its beginning."""

    file: BinaryIO
    name: str
    content_type: str | None
    options: Mapping[str, Any]

    def parts(self) -> list[tuple[str, tuple[Any, ...]]]:
        """The parts of the form, in the words of httpx, which seeks the beginning of a file before it reads."""
        options = json.dumps(self.options).encode()
        return [
            ("job", (None, options, "application/json")),
            ("file", (self.name, self.file, self.content_type)),
        ]


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The file to be read; one that was open before stays open.

    Raises `OSError`, and `ValueError` for what cannot be read twice.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            yield file
    elif not source.seekable():
        raise ValueError("the file has to be seekable, as it may have to be sent again")
    else:
        yield source


def name_of(source: Source) -> str:
    """What a file is called, without its folder.

    >>> from io import BytesIO
    >>> name_of("notes/page.html"), name_of(BytesIO())
    ('page.html', 'upload')
    """
    named = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    return Path(named).name if isinstance(named, str | os.PathLike) else UNNAMED
