"""What an absent database raises: what was asked of it is asked again later, nothing stops."""

from sqlalchemy.exc import SQLAlchemyError

from schema.database import is_sqlite


def database_faults(url: str) -> tuple[type[Exception], ...]:
    """The exceptions of this database. SQLAlchemy passes on what asyncpg raises while a connection is made, for example
    while the server starts.
    """
    if is_sqlite(url):
        return SQLAlchemyError, OSError
    import asyncpg  # noqa: PLC0415  # 3 MB that a home on SQLite need not pay

    return SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError
