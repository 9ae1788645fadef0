"""first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("email_key", name=op.f("uq_account_email_key")),
    )
    op.create_table(
        "outbox_mail",
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_mail")),
    )
    with op.batch_alter_table("outbox_mail", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_mail_due", ["sent_at", "next_attempt_at"], unique=False)

    op.create_table(
        "owner",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owner")),
    )
    op.create_table(
        "password_file_generation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("applied", sa.Integer(), nullable=False),
        sa.Column("logins", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_file_generation")),
    )
    op.create_table(
        "registry_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_version")),
    )
    op.create_table(
        "email_token",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_email_token_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_email_token_token_hash")),
    )
    with op.batch_alter_table("email_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_email_token_account_id"), ["account_id"], unique=False)

    op.create_table(
        "grant",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_grant_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owner.id"], name=op.f("fk_grant_owner_id_owner"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant")),
        sa.UniqueConstraint("account_id", "owner_id", "role", name=op.f("uq_grant_account_id")),
    )
    with op.batch_alter_table("grant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grant_owner_id"), ["owner_id"], unique=False)

    op.create_table(
        "inverter",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("serial", sa.String(length=32), nullable=False),
        sa.Column("active_serial", sa.String(length=32), nullable=True),
        sa.Column("sw_version", sa.String(length=64), nullable=True),
        sa.Column("rated_power_w", sa.Integer(), nullable=True),
        sa.Column("number_of_mppts", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owner.id"], name=op.f("fk_inverter_owner_id_owner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inverter")),
        sa.UniqueConstraint("active_serial", name=op.f("uq_inverter_active_serial")),
    )
    with op.batch_alter_table("inverter", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_inverter_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_inverter_serial"), ["serial"], unique=False)

    op.create_table(
        "login",
        sa.Column("name", sa.String(length=10), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("verifier", sa.String(length=200), nullable=False),
        sa.Column("registry_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["owner.id"], name=op.f("fk_login_owner_id_owner"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_login")),
    )
    with op.batch_alter_table("login", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_owner_id"), ["owner_id"], unique=False)

    op.create_table(
        "login_session",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("audience", sa.String(length=8), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_login_session_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_session")),
    )
    with op.batch_alter_table("login_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_session_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_login_session_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "owner_placement",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("server", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("org_id", sa.String(length=32), nullable=False),
        sa.Column("read_authorization_id", sa.String(length=32), nullable=False),
        sa.Column("read_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owner.id"], name=op.f("fk_owner_placement_owner_id_owner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_owner_placement")),
    )
    op.create_table(
        "dead_letter",
        sa.Column("login", sa.String(length=10), nullable=False),
        sa.Column("inverter_id", sa.Uuid(), nullable=True),
        sa.Column("topic", sa.String(length=512), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inverter_id"], ["inverter.id"], name=op.f("fk_dead_letter_inverter_id_inverter"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
        sa.UniqueConstraint("login", "topic", "reason", name=op.f("uq_dead_letter_login")),
    )
    with op.batch_alter_table("dead_letter", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dead_letter_inverter_id"), ["inverter_id"], unique=False)

    op.create_table(
        "feed",
        sa.Column("login", sa.String(length=10), nullable=False),
        sa.Column("selector", sa.String(length=64), nullable=False),
        sa.Column("inverter_id", sa.Uuid(), nullable=False),
        sa.Column("dialect", sa.String(length=24), nullable=False),
        sa.Column("claim_state", sa.String(length=16), nullable=False),
        sa.Column("device_key", sa.String(length=64), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inverter_id"], ["inverter.id"], name=op.f("fk_feed_inverter_id_inverter"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["login"], ["login.name"], name=op.f("fk_feed_login_login"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        sa.UniqueConstraint("login", "selector", name=op.f("uq_feed_login")),
    )
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feed_inverter_id"), ["inverter_id"], unique=False)

    op.create_table(
        "placement",
        sa.Column("inverter_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("bucket_id", sa.String(length=32), nullable=False),
        sa.Column("bucket_name", sa.String(length=64), nullable=False),
        sa.Column("bridge_authorization_id", sa.String(length=32), nullable=False),
        sa.Column("bridge_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("external_authorization_id", sa.String(length=32), nullable=False),
        sa.Column("external_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inverter_id"], ["inverter.id"], name=op.f("fk_placement_inverter_id_inverter"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("inverter_id", name=op.f("pk_placement")),
    )
    op.create_table(
        "serial_alias",
        sa.Column("inverter_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.String(length=32), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inverter_id"], ["inverter.id"], name=op.f("fk_serial_alias_inverter_id_inverter"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("inverter_id", "serial", name=op.f("pk_serial_alias")),
    )
    with op.batch_alter_table("serial_alias", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_serial_alias_serial"), ["serial"], unique=False)
    op.execute("INSERT INTO registry_version (id, version) VALUES (1, 0)")
    op.execute("INSERT INTO password_file_generation (id, written, applied, logins) VALUES (1, 0, 0, 0)")


def downgrade() -> None:
    with op.batch_alter_table("serial_alias", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_serial_alias_serial"))

    op.drop_table("serial_alias")
    op.drop_table("placement")
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_feed_inverter_id"))

    op.drop_table("feed")
    with op.batch_alter_table("dead_letter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dead_letter_inverter_id"))

    op.drop_table("dead_letter")
    op.drop_table("owner_placement")
    with op.batch_alter_table("login_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_session_expires_at"))
        batch_op.drop_index(batch_op.f("ix_login_session_account_id"))

    op.drop_table("login_session")
    with op.batch_alter_table("login", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_owner_id"))

    op.drop_table("login")
    with op.batch_alter_table("inverter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inverter_serial"))
        batch_op.drop_index(batch_op.f("ix_inverter_owner_id"))

    op.drop_table("inverter")
    with op.batch_alter_table("grant", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_grant_owner_id"))

    op.drop_table("grant")
    with op.batch_alter_table("email_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_email_token_account_id"))

    op.drop_table("email_token")
    op.drop_table("registry_version")
    op.drop_table("password_file_generation")
    op.drop_table("owner")
    with op.batch_alter_table("outbox_mail", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_mail_due")

    op.drop_table("outbox_mail")
    op.drop_table("account")
