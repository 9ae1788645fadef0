"""The only process that changes outside systems: the broker's password file, and InfluxDB with the operator token."""
