"""Serials that several claim, and what an administrator decides about them."""
