"""Service identities of outside collectors: who has one, what it asks for, and what became of an alarm."""
