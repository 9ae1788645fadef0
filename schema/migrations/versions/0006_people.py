"""people: invitations, homes that were handed over, collectors with keys of their own"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("owner", schema=None) as batch_op:
        batch_op.add_column(sa.Column("handed_over_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("grant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("granted_by", sa.Uuid(), nullable=True))
    _invitation()
    _collector()
    _collector_serial()


def _invitation() -> None:
    op.create_table(
        "invitation",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grant_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("keep_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["accepted_by"], ["account.id"], name=op.f("fk_invitation_accepted_by_account"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["account.id"], name=op.f("fk_invitation_invited_by_account"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owner.id"], name=op.f("fk_invitation_owner_id_owner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_email_key"), ["email_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_owner_id"), ["owner_id"], unique=False)


def _collector() -> None:
    op.create_table(
        "collector",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("hint", sa.String(length=16), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("former_hash", sa.String(length=64), nullable=True),
        sa.Column("former_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("former_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("networks", sa.String(length=400), server_default="", nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_from", sa.String(length=45), server_default="", nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_from", sa.String(length=45), server_default="", nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fleet_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["made_by"], ["account.id"], name=op.f("fk_collector_made_by_account"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collector")),
        sa.UniqueConstraint("former_hash", name=op.f("uq_collector_former_hash")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_collector_key_hash")),
    )
    with op.batch_alter_table("collector", schema=None) as batch_op:
        batch_op.create_index(
            "uq_collector_living_name",
            ["name"],
            unique=True,
            sqlite_where=sa.text("revoked_at IS NULL"),
            postgresql_where=sa.text("revoked_at IS NULL"),
        )


def _collector_serial() -> None:
    op.create_table(
        "collector_serial",
        sa.Column("collector_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("serial_hash", sa.String(length=64), nullable=False),
        sa.Column("inverter_id", sa.Uuid(), nullable=True),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_collector_serial_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["collector_id"],
            ["collector.id"],
            name=op.f("fk_collector_serial_collector_id_collector"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["inverter_id"],
            ["inverter.id"],
            name=op.f("fk_collector_serial_inverter_id_inverter"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collector_serial")),
        sa.UniqueConstraint("account_id", "serial_hash", name=op.f("uq_collector_serial_account_id")),
        sa.UniqueConstraint("collector_id", "serial_hash", name=op.f("uq_collector_serial_collector_id")),
    )
    with op.batch_alter_table("collector_serial", schema=None) as batch_op:
        batch_op.create_index("ix_collector_serial_account_first", ["account_id", "first_at"], unique=False)
        batch_op.create_index("ix_collector_serial_collector_first", ["collector_id", "first_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_collector_serial_inverter_id"), ["inverter_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_collector_serial_last_at"), ["last_at"], unique=False)


def downgrade() -> None:
    op.drop_table("collector_serial")
    op.drop_table("collector")
    op.drop_table("invitation")
    with op.batch_alter_table("grant", schema=None) as batch_op:
        batch_op.drop_column("granted_by")
    with op.batch_alter_table("owner", schema=None) as batch_op:
        batch_op.drop_column("handed_over_at")
