"""What an outside collector may ask: an inverter's write token, and telling us its metadata."""
