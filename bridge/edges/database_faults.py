"""What an absent database raises: what is asked of it is asked again later, nothing stops."""

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

# SQLAlchemy passes on what asyncpg raises while a connection is made, for example while the server starts.
DATABASE_FAULTS = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
