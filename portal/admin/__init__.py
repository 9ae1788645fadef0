"""What an administrator sees. Everyone else finds nothing here."""
