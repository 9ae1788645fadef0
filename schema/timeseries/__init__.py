"""Where readings are kept: a port, the line protocol, two adapters and the one place that chooses between them."""
