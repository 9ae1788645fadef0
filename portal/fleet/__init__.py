"""Many inverters at once, those that need somebody first: for installers, and for owners of many."""
