"""Readings in InfluxDB 2: the writer (with its own HTTP), the reader and the manager. For ``stores`` alone."""
