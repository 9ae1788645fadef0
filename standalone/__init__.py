"""Everything on one computer: a local broker, bridge, provisioner and portal as child processes, and a demo of it."""
