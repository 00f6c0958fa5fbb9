"""Small named values of the installation, some of them held for a time."""

from sqlalchemy import Connection, or_, select

from orchestration.storage.schema import markers
from orchestration.storage.types import now_s
from orchestration.storage.upsert import upsert


def marker(connection: Connection, name: str) -> str | None:
    return connection.scalar(select(markers.c.value).where(markers.c.name == name))


def set_marker(connection: Connection, name: str, value: str, *, lease_s: float | None = None) -> None:
    values = {"value": value, "until": None if lease_s is None else now_s() + lease_s}
    insert = upsert(connection, markers).values(name=name, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def locked_marker(connection: Connection, name: str, initial: str) -> str:
    """A value, begun with `initial`, that nobody else changes until the transaction ends."""
    insert = upsert(connection, markers).values(name=name, value=initial)
    connection.execute(insert.on_conflict_do_nothing())
    locked = select(markers.c.value).where(markers.c.name == name).with_for_update()
    value: str = connection.execute(locked).scalar_one()
    return value


def lead(connection: Connection, name: str, holder: str, lease_s: float) -> bool:
    values = {"value": holder, "until": now_s() + lease_s}
    insert = upsert(connection, markers).values(name=name, **values)
    mine_or_over = or_(markers.c.value == holder, markers.c.until < now_s())
    taken = insert.on_conflict_do_update(index_elements=["name"], set_=values, where=mine_or_over)
    return connection.execute(taken.returning(markers.c.name)).first() is not None


def leader(connection: Connection, name: str) -> str | None:
    held = select(markers.c.value).where(markers.c.name == name, markers.c.until >= now_s())
    return connection.scalar(held)
