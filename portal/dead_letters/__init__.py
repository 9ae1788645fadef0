"""Messages that could not become readings: an owner's view of his own, and the administrator's of all."""
