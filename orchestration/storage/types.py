"""Column types, and the record's own clock."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, Enum, String, Uuid
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

JOB_ID = Uuid(as_uuid=False)
DOCUMENT = JSON(none_as_null=True)
"""Not JSONB, which refuses the NUL characters that clients and pages may send."""


def in_code_order(length: int) -> TypeEngine[str]:
    """A column of text that sorts by its code points everywhere, so that an index finds what begins alike."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def state_of(states: type[StrEnum]) -> Enum:
    """A column of states, stored as their lower-case words."""
    return Enum(states, native_enum=False, length=16, values_callable=lambda known: [state.value for state in known])


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, stored in UTC; refuses a `datetime` without a time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is None:
            return value and value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


class RecordClock(FunctionElement[float]):
    """Epoch seconds on the database's clock, the same throughout a statement.

    Stable within the statement, unlike `clock_timestamp()`, so that an index can be searched with it.
    """

    type = Double()
    inherit_cache = True


def now_s() -> RecordClock:
    """Epoch seconds on the database's clock, as an expression."""
    return RecordClock()


@compiles(RecordClock, "sqlite")
def _sqlite_clock(_element: RecordClock, _compiler: Any, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(RecordClock, "postgresql")
def _postgresql_clock(_element: RecordClock, _compiler: Any, **_options: Any) -> str:
    return "extract(epoch from statement_timestamp())::float8"
