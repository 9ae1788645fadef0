"""tries: when the last one was is not asked by anybody"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("try_count", schema=None) as batch_op:
        batch_op.drop_column("last_at")


def downgrade() -> None:
    with op.batch_alter_table("try_count", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_at", sa.DateTime(timezone=True), nullable=True))
    # Within its window it is nearly right, and what counts (the window and the number) stays.
    op.execute("UPDATE try_count SET last_at = began_at")
    with op.batch_alter_table("try_count", schema=None) as batch_op:
        batch_op.alter_column("last_at", existing_type=sa.DateTime(timezone=True), nullable=False)
