"""Readings in one SQLite file, for homes without InfluxDB: tables, writer and reader. Imported by ``stores`` alone."""
