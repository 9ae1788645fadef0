"""The logins of an inverter: what each is used by, when it was last heard, and how it ends."""
