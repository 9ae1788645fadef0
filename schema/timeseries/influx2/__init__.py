"""Readings in InfluxDB 2: the writer (aiohttp), the reader and the manager (influxdb-client). For ``stores`` alone."""
