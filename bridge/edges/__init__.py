"""What touches the world: broker, database, spool, files. Only ``bridge.app`` and ``bridge.process`` import from it."""
