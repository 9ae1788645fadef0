"""dead letters: what the store answered, how many can be replayed, and the requests to replay or purge them"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("dead_letter", schema=None) as batch_op:
        batch_op.add_column(sa.Column("response", sa.String(length=300), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("form", sa.String(length=8), nullable=False, server_default="message"))
        batch_op.add_column(sa.Column("payload_bytes", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("kept", sa.Integer(), nullable=False, server_default="0"))
        batch_op.create_index(batch_op.f("ix_dead_letter_last_seen_at"), ["last_seen_at"], unique=False)

    op.create_table(
        "dead_letter_request",
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("login", sa.String(length=10), nullable=False),
        sa.Column("topic", sa.String(length=512), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("inverter_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("chosen", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("again", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_dead_letter_request_account_id_account"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["inverter_id"],
            ["inverter.id"],
            name=op.f("fk_dead_letter_request_inverter_id_inverter"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter_request")),
    )
    with op.batch_alter_table("dead_letter_request", schema=None) as batch_op:
        batch_op.create_index("ix_dead_letter_request_due", ["state", "requested_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("dead_letter_request", schema=None) as batch_op:
        batch_op.drop_index("ix_dead_letter_request_due")

    op.drop_table("dead_letter_request")
    with op.batch_alter_table("dead_letter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dead_letter_last_seen_at"))
        batch_op.drop_column("kept")
        batch_op.drop_column("payload_bytes")
        batch_op.drop_column("form")
        batch_op.drop_column("response")
