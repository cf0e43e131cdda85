"""Publishing: a run's results become what everybody reads, in an order that a kill at any point leaves sound.

First the landing files move into place, then the warehouse by rename, then the store. Killed after the first,
the next run adopts the files; killed after the second, the next run brings the store up to date.
"""
