"""Things in InfluxDB that bear a name of ours and belong to nobody: listed here, deleted by a command alone."""
