"""What the tables of `schema` and of the modules beside it are kept in."""

from sqlalchemy import Index, MetaData, Table, text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


def partial_index(name: str, table: Table, condition: str, *columns: str) -> Index:
    """An index of the rows for which a condition holds, on both kinds of database."""
    where = text(condition)
    return Index(name, *(table.c[column] for column in columns), sqlite_where=where, postgresql_where=where)
