"""servers: their figures, what nobody owns there, owners on their way to another one"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _store_server()
    # An address is a server's name: written with and without the slash at its end it is one server.
    op.execute("UPDATE owner_placement SET server = rtrim(server, '/')")
    _orphan()
    _owner_move()
    _inverter_move()


def _store_server() -> None:
    op.create_table(
        "store_server",
        sa.Column("url", sa.String(length=200), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("capacity_buckets", sa.Integer(), nullable=False),
        sa.Column("buckets", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("identity", sa.String(length=32), server_default="", nullable=False),
        sa.Column("another", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("shards", sa.Integer(), nullable=True),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("memory_limit_bytes", sa.BigInteger(), nullable=True),
        sa.Column("files_limit", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_store_server")),
    )


def _orphan() -> None:
    op.create_table(
        "orphan",
        sa.Column("server", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("external_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("org_id", sa.String(length=32), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("server", "kind", "external_id", name=op.f("pk_orphan")),
    )


def _owner_move() -> None:
    op.create_table(
        "owner_move",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("server", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("wish", sa.String(length=16), nullable=False),
        sa.Column("org_id", sa.String(length=32), nullable=False),
        sa.Column("read_authorization_id", sa.String(length=32), nullable=False),
        sa.Column("read_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_error", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owner.id"], name=op.f("fk_owner_move_owner_id_owner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_owner_move")),
    )


def _inverter_move() -> None:
    op.create_table(
        "inverter_move",
        sa.Column("inverter_id", sa.Uuid(), nullable=False),
        sa.Column("bucket_id", sa.String(length=32), nullable=False),
        sa.Column("bucket_name", sa.String(length=64), nullable=False),
        sa.Column("bridge_authorization_id", sa.String(length=32), nullable=False),
        sa.Column("bridge_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("external_authorization_id", sa.String(length=32), nullable=False),
        sa.Column("external_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("copied_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inverter_id"], ["inverter.id"], name=op.f("fk_inverter_move_inverter_id_inverter"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("inverter_id", name=op.f("pk_inverter_move")),
    )


def downgrade() -> None:
    op.drop_table("inverter_move")
    op.drop_table("owner_move")
    op.drop_table("orphan")
    op.drop_table("store_server")
