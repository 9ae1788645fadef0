"""From an added inverter to its first watts: credentials, settings to paste, the ladder."""
