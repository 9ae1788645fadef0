"""devices: grace and former serials, found ones, requests, who told what; logins with names; notices"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_inverter = sa.table("inverter", sa.column("deleted_at"), sa.column("erase_after"))
_login = sa.table("login", sa.column("owner_id"))


def upgrade() -> None:
    with op.batch_alter_table("inverter", schema=None) as batch_op:
        batch_op.add_column(sa.Column("given_away_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("erase_after", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_inverter_erase_after"), ["erase_after"], unique=False)
    # What was deleted before there was a grace is erased when its grace would be over.
    op.execute(
        sa.update(_inverter).where(_inverter.c.deleted_at.is_not(None)).values(erase_after=_inverter.c.deleted_at)
    )
    with op.batch_alter_table("login", schema=None) as batch_op:
        # A login outlives its owner: its name is never given again.
        batch_op.alter_column("owner_id", existing_type=sa.Uuid(), nullable=True)
        batch_op.drop_constraint("fk_login_owner_id_owner", type_="foreignkey")
        batch_op.create_foreign_key("fk_login_owner_id_owner", "owner", ["owner_id"], ["id"], ondelete="SET NULL")
        batch_op.add_column(sa.Column("label", sa.String(length=80), server_default="", nullable=False))
        batch_op.add_column(sa.Column("made_by", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("quarantine_why", sa.String(length=24), server_default="", nullable=False))
    _former_serial()
    _found_device()
    _serial_request()
    _metadata_source()
    _notice()


def _former_serial() -> None:
    op.create_table(
        "former_serial",
        sa.Column("inverter_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.String(length=32), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inverter_id"], ["inverter.id"], name=op.f("fk_former_serial_inverter_id_inverter"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_serial")),
    )
    with op.batch_alter_table("former_serial", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_former_serial_inverter_id"), ["inverter_id"], unique=False)


def _found_device() -> None:
    op.create_table(
        "found_device",
        sa.Column("login", sa.String(length=10), nullable=False),
        sa.Column("selector", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=32), server_default="", nullable=False),
        sa.Column("dialect", sa.String(length=24), server_default="auto", nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("messages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["login"], ["login.name"], name=op.f("fk_found_device_login_login"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("login", "selector", name=op.f("pk_found_device")),
    )


def _serial_request() -> None:
    op.create_table(
        "serial_request",
        sa.Column("serial", sa.String(length=32), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=True),
        sa.Column("claimant_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted", sa.Boolean(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claimant_id"], ["inverter.id"], name=op.f("fk_serial_request_claimant_id_inverter"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["holder_id"], ["inverter.id"], name=op.f("fk_serial_request_holder_id_inverter"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_serial_request")),
    )
    with op.batch_alter_table("serial_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_serial_request_claimant_id"), ["claimant_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_serial_request_holder_id"), ["holder_id"], unique=False)
        batch_op.create_index(
            "uq_serial_request_open",
            ["claimant_id"],
            unique=True,
            sqlite_where=sa.text("answered_at IS NULL"),
            postgresql_where=sa.text("answered_at IS NULL"),
        )


def _metadata_source() -> None:
    op.create_table(
        "metadata_source",
        sa.Column("inverter_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("told_by", sa.String(length=16), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inverter_id"], ["inverter.id"], name=op.f("fk_metadata_source_inverter_id_inverter"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("inverter_id", "name", name=op.f("pk_metadata_source")),
    )


def _notice() -> None:
    op.create_table(
        "notice",
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("inverter_id", sa.Uuid(), nullable=True),
        sa.Column("login", sa.String(length=10), server_default="", nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inverter_id"], ["inverter.id"], name=op.f("fk_notice_inverter_id_inverter"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owner.id"], name=op.f("fk_notice_owner_id_owner"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("key", name=op.f("uq_notice_key")),
    )
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notice_inverter_id"), ["inverter_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_notice_owner_id"), ["owner_id"], unique=False)


def downgrade() -> None:
    op.drop_table("notice")
    op.drop_table("metadata_source")
    op.drop_table("serial_request")
    op.drop_table("found_device")
    op.drop_table("former_serial")
    op.execute(sa.delete(_login).where(_login.c.owner_id.is_(None)))
    with op.batch_alter_table("login", schema=None) as batch_op:
        batch_op.drop_column("quarantine_why")
        batch_op.drop_column("quarantined_at")
        batch_op.drop_column("renewed_at")
        batch_op.drop_column("made_by")
        batch_op.drop_column("label")
        batch_op.drop_constraint("fk_login_owner_id_owner", type_="foreignkey")
        batch_op.create_foreign_key("fk_login_owner_id_owner", "owner", ["owner_id"], ["id"], ondelete="CASCADE")
        batch_op.alter_column("owner_id", existing_type=sa.Uuid(), nullable=False)
    with op.batch_alter_table("inverter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inverter_erase_after"))
        batch_op.drop_column("erase_after")
        batch_op.drop_column("given_away_at")
