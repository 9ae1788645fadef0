"""The audit log's chain: how entries are linked, the task that links them, and the command that checks and shows."""
