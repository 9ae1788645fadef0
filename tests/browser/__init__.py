"""A real Chromium looks at the pages of a real server."""
