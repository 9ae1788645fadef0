"""registry changes: what each version touched, so that a bridge reads that alone"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_change",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mark", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("inverter_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_registry_change")),
    )
    # The version there is has a mark from the beginning; what it touched is not known.
    mark = sa.bindparam("mark", uuid4(), sa.Uuid())
    op.execute(
        sa.text(
            "INSERT INTO registry_change SELECT version, :mark, NULL, NULL FROM registry_version WHERE version > 0"
        ).bindparams(mark)
    )


def downgrade() -> None:
    op.drop_table("registry_change")
