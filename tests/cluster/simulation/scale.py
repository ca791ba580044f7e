"""How long and how busy a schedule is."""

from __future__ import annotations

import attrs


@attrs.frozen
class Scale:
    """Times are in seconds.

    `whole`: the servers are whole ones; else they are without their doors (`core`), which are no
    part of what is looked at here and cost as much as all the rest of a short schedule.
    """

    grain: float  # of time
    rounds: int  # schedules that are played one after the other on the same cluster
    lease: float
    beats: int  # in a lease
    signs: int  # of life on a link, in a lease
    whole: bool
    devices: int  # of each of the three users
    groups: int
    pairs: int  # of users who talk in private, of the three there are
    first: float  # before anybody comes
    trouble: float  # in which faults begin
    every: float  # from one fault to the next, on average
    lengths: tuple[float, ...]  # of faults, of which each is as likely
    leaving: float  # how likely it is that somebody goes, and stays away
    talk: float  # before anything goes wrong
    acting: float  # between two deeds of a device, on average
    quiet: float  # after which all is well again
    told: float  # then, after which everybody knows who has left, whatever clocks have done
    coming: float  # then, for programs to come back, who are told to try again


LONG = Scale(
    grain=0.0001,
    rounds=1,
    lease=5.0,
    beats=10,
    signs=5,
    whole=True,
    devices=2,
    groups=2,
    pairs=3,
    first=6.0,
    trouble=20.0,
    every=2.0,
    lengths=(0.1, 0.5, 2.0, 4.0, 6.0, 9.0),
    leaving=0.7,
    talk=1.0,
    acting=0.5,
    quiet=7.0,
    told=0.0,
    coming=6.0,
)

SHORT = Scale(
    grain=0.01,
    rounds=8,
    lease=1.2,
    beats=4,
    signs=2,
    whole=False,
    devices=1,
    groups=1,
    pairs=1,
    first=0.2,
    trouble=1.2,
    every=0.2,
    lengths=(0.05, 0.2, 0.6, 1.2, 1.8),
    leaving=0.0,
    talk=0.3,
    acting=0.5,
    quiet=8.0,
    told=12.0,
    coming=0.0,
)

SCALES = {"long": LONG, "short": SHORT}
