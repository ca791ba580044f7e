"""Errors that a person has to read, each with its exit code."""

from __future__ import annotations

import click


class Failure(click.ClickException):
    """The request failed: one line on standard error."""

    exit_code = 1


class Unusable(click.ClickException):
    """The request could not begin: one line on standard error."""

    exit_code = 2
