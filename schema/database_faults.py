"""What an absent database raises: what was asked of it is asked again later, nothing stops."""

from sqlalchemy.exc import SQLAlchemyError

from schema.database import is_sqlite


def database_faults(url: str) -> tuple[type[Exception], ...]:
    """The exceptions of this database, through SQLAlchemy or without it.

    SQLAlchemy passes on what asyncpg raises while a connection is made, for example while the server starts, and what
    it calls internal: a connection that is cut in the middle of an answer may say "another operation is in progress"
    to the next question (seen in asyncpg 0.32 when the server ended the session).
    """
    if is_sqlite(url):
        return SQLAlchemyError, OSError
    import asyncpg  # noqa: PLC0415  # 3 MB that a home on SQLite need not pay

    return SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
