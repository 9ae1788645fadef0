"""Accounts, as an administrator sees and changes them."""
