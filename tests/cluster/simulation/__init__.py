"""A whole cluster in one process: virtual time, a network and a store that fail as a seed says.

`network` carries bytes, `machine` is a node that can be crashed, `people` talk, `faults` disturb
them, `history` holds what must be true. `python -m tests.cluster.simulation` runs many of them.
"""
