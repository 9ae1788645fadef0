"""The InfluxDB servers: how full each is, when there should be another one, and who moves from one to another."""
