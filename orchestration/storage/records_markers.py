"""Small named values of the installation, some of them held for a time."""

from sqlalchemy import Connection, or_, select

from orchestration.storage.schema import markers
from orchestration.storage.types import now_s
from orchestration.storage.upsert import upsert


def marker(connection: Connection, name: str) -> str | None:
    return connection.scalar(select(markers.c.value).where(markers.c.name == name))


def set_marker(connection: Connection, name: str, value: str) -> None:
    insert = upsert(connection, markers).values(name=name, value=value)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": value, "until": None}))


def lead(connection: Connection, name: str, holder: str, lease_s: float) -> bool:
    values = {"value": holder, "until": now_s() + lease_s}
    insert = upsert(connection, markers).values(name=name, **values)
    mine_or_over = or_(markers.c.value == holder, markers.c.until < now_s())
    taken = insert.on_conflict_do_update(index_elements=["name"], set_=values, where=mine_or_over)
    return connection.execute(taken.returning(markers.c.name)).first() is not None
