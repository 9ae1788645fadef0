"""What people see: accounts, inverters, pairing, dashboards, the original's addresses and administration."""
