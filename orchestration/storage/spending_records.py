"""Spending in the records in SQL: which transaction each method is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

from sqlalchemy import Connection

from orchestration.storage import records_answers as answers
from orchestration.storage import records_spending as spendings
from orchestration.storage.engine import Database
from pipeline.answers import Answer, KeptAnswer
from pipeline.ids import Hold
from pipeline.ports import Finished
from pipeline.spending import Caller, DayOfUsage, Spending


class SqlSpending:
    """The part of `SqlRecords` that knows what language models cost, and what they answered."""

    _database: Database

    @contextmanager
    def ending(self, hold: Hold, ended: Finished, *, durable: bool) -> Iterator[Connection]:
        """A transaction that records how an attempt ended, and at its end what the attempt spent."""
        with self._database.write(durable=durable) as connection:
            yield connection
            spendings.record(connection, hold, ended)

    def spend(self, hold: Hold, spending: Spending, at: datetime) -> None:
        """Record what an attempt spent whose outcome nobody records."""
        with self._database.write() as connection:
            spendings.record(connection, hold, Finished(at, 0.0, spending))

    def usage(self, tenant_id: str, first: date, last: date) -> Sequence[DayOfUsage]:
        """What a tenant spent on these days and those between."""
        with self._database.read() as connection:
            return spendings.usage(connection, tenant_id, first, last)

    def answer(self, caller: Caller, digest: str, since: datetime) -> KeptAnswer | None:
        """An answer that the caller may have."""
        with self._database.read() as connection:
            return answers.find(connection, caller, digest, since)

    def keep_answer(self, caller: Caller, digest: str, answer: Answer, at: datetime) -> None:
        """Keep a new answer."""
        with self._database.write() as connection:
            answers.keep(connection, caller, digest, answer, at)

    def forget_answers(self, *, before: datetime) -> int:
        """Erase old answers."""
        with self._database.write() as connection:
            return answers.forget(connection, before)
