"""The shared ground: what bridge and portal must agree on. Imports no service."""
