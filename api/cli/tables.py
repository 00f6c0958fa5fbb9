"""Tables on standard output."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their headings."""
    Console(highlight=False).print(table_of(headings, rows))


def table_of(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Rows under their headings; None is left blank. The last column is folded where there is no room."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, header_style="dim", overflow="fold", no_wrap=heading != headings[-1])
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return table


def moment(at: datetime | None) -> str | None:
    """A moment in UTC, to the second."""
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
