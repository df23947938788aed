"""Partitions computed by processes of this machine, or on a cluster: `[scoring] executor`.

An engine moves bytes to workers, runs one function there and brings bytes back; it takes care of
lost workers itself. What is computed and written does not depend on the engine: it is
`aedetect.scoring.waves.compute_piece` everywhere, and the files are written by the workers. So the
output is safe by its names and by renaming, whatever an engine repeats or forgets.
"""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.execution.compute import call_on_cluster, compute_on_cluster, describe_cluster

__all__ = ["call_on_cluster", "compute_on_cluster", "describe_cluster"]

__getattr__ = on_first_use(
    __name__, {"compute": ("call_on_cluster", "compute_on_cluster", "describe_cluster")}
)
