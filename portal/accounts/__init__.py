"""Sign-up, confirmation, log-in, log-out and forgotten passwords."""
