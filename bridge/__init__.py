"""From broker to store: at the top what decides, in ``edges`` what touches the world."""
