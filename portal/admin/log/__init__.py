"""The audit log as pages: an administrator's of everything, an owner's of his own account."""
