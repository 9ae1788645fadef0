"""Inverters of all owners, as an administrator sees them: no readings."""
