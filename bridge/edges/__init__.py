"""What touches the world: broker, database, spool, files. Only ``bridge.app`` imports from here."""
