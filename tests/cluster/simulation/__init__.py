"""A whole cluster in one process: virtual time, a network and a store that fail as a seed says.

`network` carries bytes, `machine` is a node that can be crashed, `people` talk, `faults` disturb
them, `history` and `ending` hold what must be true, `scale` says how long and how busy it is,
`plants` breaks servers on purpose to see that it is noticed.
`python -m tests.cluster.simulation` runs many of them.
"""
