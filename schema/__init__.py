"""Schemas as files: SQL migrations of each store and the contracts of the wire.

Read through `importlib.resources`; nothing here runs.
"""
