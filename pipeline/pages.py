"""Listings in pages, newest first: whatever is listed has an id, and ids are in the order of time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pipeline.ids import canonical_uuid


class Listed(Protocol):
    """What can be listed."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=Listed)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing."""

    items: tuple[T, ...]
    more: bool
    """Whether others come after it."""

    @property
    def last_id(self) -> str:
        """Of the one it ends with."""
        return self.items[-1].id


def newest(found: Iterable[T], *, before: str | None, limit: int) -> Page[T]:
    """The newest of these, or those that come after the one with the id `before`; none where that is no id."""
    ceiling = None if before is None else canonical_uuid(before) or ""
    shown = sorted((each for each in found if ceiling is None or each.id < ceiling), key=_id_of, reverse=True)
    return Page(tuple(shown[:limit]), more=len(shown) > limit)


def _id_of(listed: Listed) -> str:
    return listed.id
