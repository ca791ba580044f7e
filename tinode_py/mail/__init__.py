"""Codes on their way to people: by mail, by a web hook."""
