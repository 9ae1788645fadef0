"""The only place that chooses between the two store adapters."""
