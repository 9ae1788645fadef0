"""Who else may see a home: readers whom its owner invites, and the hand-over to a new owner."""
