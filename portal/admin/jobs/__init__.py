"""Organisations and buckets that are still to be made or to be erased."""
