"""What an owner should know without having asked: shown on his pages, mailed at most once a day, hidden by a click."""
