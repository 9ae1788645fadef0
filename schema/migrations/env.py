"""Alembic's environment: runs the revisions on the connection that ``schema.migrate`` hands over."""

from typing import Any, Literal

from alembic import context

from schema.models import Base
from schema.models.base import UtcDateTime


def _render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Revisions name plain column types, so that they still run when our own type has moved or gone."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
