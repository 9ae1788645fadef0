"""guards: what a mail says waits sealed, and whose hour it uses up; the audit log is not replaced either"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Which present rows a new one would replace, by the statement's own conflict clause. While SQLite still has to choose
# an id of itself, it is -1 here.
_REPLACED = {"audit_entry": "id = NEW.id AND id > 0", "audit_seal": "id = NEW.id OR entry_id = NEW.entry_id"}


def upgrade() -> None:
    # Mails that wait would have to be sealed with a key that only the portal has. Nothing was released with them.
    op.execute("DELETE FROM outbox_mail")
    with op.batch_alter_table("outbox_mail", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sealed", sa.LargeBinary(), nullable=False))
        batch_op.add_column(sa.Column("budget", sa.String(length=8), nullable=False))
        batch_op.drop_column("html")
        batch_op.drop_column("text")
    if op.get_bind().dialect.name == "sqlite":
        # REPLACE deletes without asking the triggers of DELETE (sqlite.org, "ON CONFLICT"), and PostgreSQL has none.
        for table, replaced in _REPLACED.items():
            present = f"SELECT 1 FROM {table} WHERE {replaced}"  # noqa: S608  # both are ours, above
            op.execute(
                f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS ({present})"
                f" BEGIN SELECT RAISE(ABORT, '{table} only grows'); END"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in _REPLACED:
            op.execute(f"DROP TRIGGER {table}_no_replace")
    op.execute("DELETE FROM outbox_mail")
    with op.batch_alter_table("outbox_mail", schema=None) as batch_op:
        batch_op.add_column(sa.Column("text", sa.Text(), nullable=False))
        batch_op.add_column(sa.Column("html", sa.Text(), nullable=False))
        batch_op.drop_column("budget")
        batch_op.drop_column("sealed")
