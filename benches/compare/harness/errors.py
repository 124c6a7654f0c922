"""What can go wrong, and whose fault it is."""

from __future__ import annotations


class BenchError(Exception):
    """The run cannot go on: a program is missing, or a proxy lets through what it must refuse."""


class StartFailed(BenchError):
    """A proxy did not come up, or did not answer 200 in time."""


class RoundFailed(Exception):
    """One round gave answers that cannot be compared; its row is dropped and the run goes on."""
