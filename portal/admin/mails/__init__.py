"""Mails that wait to be sent, without what they say."""
