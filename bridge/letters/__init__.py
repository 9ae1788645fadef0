"""The command ``python -m bridge.letters``: dead letters for whoever has a shell. It talks to the database alone."""
