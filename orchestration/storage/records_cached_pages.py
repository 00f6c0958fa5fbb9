"""The index of stored pages in SQL, and the leases of those who fetch."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, or_, select, update

from orchestration.storage.engine import Database
from orchestration.storage.rows import AnyRow, Values
from orchestration.storage.schema import cached_pages as pages
from orchestration.storage.schema import page_flights as flights
from orchestration.storage.types import now_s
from orchestration.storage.upsert import upsert
from pipeline.cached_pages import Flight, FlightState, PageKey, StoredPage
from pipeline.ids import Claim, canonical_uuid


class SqlCachedPages:
    """The part of `SqlRecords` that is about stored pages."""

    _database: Database

    def page(self, key: PageKey) -> StoredPage | None:
        """The copy that is kept of a page."""
        with self._database.read() as connection:
            row = connection.execute(select(pages).where(_is_page(key))).first()
            return None if row is None else _page_from(row)

    def keep_page(self, key: PageKey, page: StoredPage) -> str | None:
        """Keep a copy instead of the one before."""
        with self._database.write() as connection:
            before: str | None = connection.scalar(select(pages.c.id).where(_is_page(key)).with_for_update())
            values = _values(page)
            stored = upsert(connection, pages).values(tenant_id=key.tenant_id, digest=key.digest, **values)
            connection.execute(stored.on_conflict_do_update(index_elements=["tenant_id", "digest"], set_=values))
            return before

    def drop_page(self, key: PageKey) -> str | None:
        """Keep no copy of a page."""
        with self._database.write() as connection:
            dropped: str | None = connection.scalar(delete(pages).where(_is_page(key)).returning(pages.c.id))
            return dropped

    def confirm_page(self, key: PageKey, page: StoredPage) -> None:
        """Keep what a host said of a copy when it confirmed it."""
        with self._database.write() as connection:
            connection.execute(update(pages).where(_is_page(key), pages.c.id == page.id).values(_values(page)))

    def lead_flight(self, key: PageKey, holder: str, *, lease_s: float) -> Flight:
        """Begin to fetch a page, or go on."""
        with self._database.write() as connection:
            return Flight(FlightState.LEADS) if _lead(connection, key, holder, lease_s) else _flight(connection, key)

    def flight(self, key: PageKey) -> Flight:
        """Whether one may fetch a page."""
        with self._database.read() as connection:
            return _flight(connection, key)

    def end_flight(self, key: PageKey, holder: str, *, free_s: float = 0.0) -> None:
        """Say that the fetch is over."""
        with self._database.write() as connection:
            mine = (_is_flight(key), flights.c.holder == holder)
            if free_s:
                connection.execute(update(flights).where(*mine).values(holder=None, until=now_s() + free_s))
            else:
                connection.execute(delete(flights).where(*mine))

    def forget_pages(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Forget copies that were received before."""
        oldest = select(pages.c.id).where(pages.c.received_at < before).order_by(pages.c.received_at).limit(limit)
        with self._database.read() as connection:
            ids = list(connection.scalars(oldest))
        return self._forget(ids, pages.c.received_at < before)

    def crowd_out_pages(self, *, max_bytes: int, limit: int) -> list[tuple[str, str]]:
        """Forget the oldest copies of each tenant whose copies are larger in sum."""
        order = (pages.c.received_at.desc(), pages.c.id.desc())
        summed_size = func.sum(pages.c.size).over(partition_by=pages.c.tenant_id, order_by=order)
        summed = select(pages.c.id, pages.c.received_at, summed_size.label("total")).subquery()
        beyond = select(summed.c.id).where(summed.c.total > max_bytes)
        with self._database.read() as connection:
            ids = list(connection.scalars(beyond.order_by(summed.c.received_at, summed.c.id).limit(limit)))
        return self._forget(ids)

    def forget_flights(self) -> int:
        """Erase what is left of fetches that are over."""
        with self._database.write() as connection:
            return connection.execute(delete(flights).where(flights.c.until < now_s())).rowcount

    def known_pages(self, ids: Collection[str]) -> set[str]:
        """Which of these are ids of copies."""
        plausible = [page_id for page_id in ids if canonical_uuid(page_id) == page_id]
        with self._database.read() as connection:
            return set(connection.scalars(select(pages.c.id).where(pages.c.id.in_(plausible))))

    def _forget(self, ids: list[str], *still: ColumnElement[bool]) -> list[tuple[str, str]]:
        """Found by a statement of before: they may be confirmed by now."""
        if not ids:
            return []
        gone = delete(pages).where(pages.c.id.in_(ids), *still).returning(pages.c.tenant_id, pages.c.id)
        with self._database.write() as connection:
            return [(row.tenant_id, row.id) for row in connection.execute(gone)]


def _is_page(key: PageKey) -> ColumnElement[bool]:
    return and_(pages.c.tenant_id == key.tenant_id, pages.c.digest == key.digest)


def _is_flight(key: PageKey) -> ColumnElement[bool]:
    return and_(flights.c.tenant_id == key.tenant_id, flights.c.digest == key.digest)


def _lead(connection: Connection, key: PageKey, holder: str, lease_s: float) -> bool:
    values: dict[str, Any] = {"holder": holder, "until": now_s() + lease_s, "since": now_s()}
    begun = upsert(connection, flights).values(tenant_id=key.tenant_id, digest=key.digest, **values)
    goes_on = flights.c.holder == holder
    values["since"] = case((goes_on, flights.c.since), else_=now_s())
    taken = begun.on_conflict_do_update(
        index_elements=["tenant_id", "digest"], set_=values, where=or_(goes_on, flights.c.until < now_s())
    )
    return connection.execute(taken.returning(flights.c.digest)).first() is not None


def _flight(connection: Connection, key: PageKey) -> Flight:
    lasts_s = now_s() - flights.c.since
    held = select(lasts_s).where(_is_flight(key), flights.c.holder.is_not(None), flights.c.until >= now_s())
    lasts: float | None = connection.scalar(held)
    return Flight(FlightState.FREE) if lasts is None else Flight(FlightState.AWAITED, lasts)


def _values(page: StoredPage) -> Values:
    return {
        "id": page.id,
        "url": page.url,
        "status": page.status,
        "headers": dict(page.headers),
        "redirects": list(page.redirects),
        "is_moved_for_good": page.is_moved_for_good,
        "wire_bytes": page.wire_bytes,
        "body": asdict(page.body),
        "size": page.body.size,
        "received_at": page.received_at,
    }


def _page_from(row: AnyRow) -> StoredPage:
    return StoredPage(
        id=row.id,
        url=row.url,
        status=row.status,
        headers=row.headers,
        redirects=tuple(row.redirects),
        is_moved_for_good=row.is_moved_for_good,
        wire_bytes=row.wire_bytes,
        body=Claim.from_dict(row.body),
        received_at=row.received_at,
    )
