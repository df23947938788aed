"""All pieces of work of a run: groups of partitions, and large partitions by shards.

Shards are merged when all of a partition are there, on the same workers: a wave of shards, then a
wave of merges. A wave has some shards for each core, so that little is lost with a run that is
killed, and the shards that wait take no more room than a few partitions.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from aedetect.output import aside
from aedetect.scoring.grouping import group_units
from aedetect.scoring.sharding import divide_unit, shards_wanted
from aedetect.scoring.shards import ComputedShard, Merge, Shard, compute_shard, merge_shards
from aedetect.scoring.worker import ComputedPartition, Deferred, compute_group

if TYPE_CHECKING:
    from aedetect.scoring.loaded import Model
    from aedetect.scoring.plan import Unit

_SHARDS = 4  # for each core, in a wave

Piece: TypeAlias = "tuple[Unit, ...] | Shard | Merge"
Result: TypeAlias = "list[ComputedPartition | Deferred] | ComputedShard | None"


def compute_piece(piece: Piece, *, model: Model, output: Path) -> Result:
    """Compute a piece of work, on any machine with access to the files."""
    if isinstance(piece, Shard):
        return compute_shard(piece, model=model, output=output)
    if isinstance(piece, Merge):
        return [merge_shards(piece, model=model, output=output)]
    return compute_group(piece, model=model, output=output)


def compute_in_waves(
    units: Sequence[Unit],
    *,
    model: Model,
    output: Path,
    cores: int,
    compute: Callable[[Sequence[Piece]], Iterable[Result]],
) -> list[ComputedPartition | Deferred]:
    """Compute partitions by a function that computes pieces and returns their results in order.

    The results are in the order of the partitions.
    """
    wanted = shards_wanted(units, model, output, cores=cores)
    large = [pair for pair in zip(units, wanted, strict=True) if pair[1] > 1]
    whole = [unit for unit, shards in zip(units, wanted, strict=True) if shards == 1]
    done: list[ComputedPartition | Deferred] = []
    # Locked: another run does not sweep it.
    with aside(output) if large else nullcontext(output) as place:
        for wave in _waves(group_units(whole, model, cores=cores), large, model, place, cores):
            shards = [shard for some in wave.divided for shard in some]
            results = list(compute([*shards, *wave.groups]))
            done += _partitions(results[len(shards) :])
            if shards:
                merges = _merges(wave, cast("list[ComputedShard | None]", results[: len(shards)]))
                done += _partitions(compute(merges))
                _remove(merges)
    found = {each.partition: each for each in done}
    return [found[str(unit.partition)] for unit in sorted(units, key=lambda unit: unit.bounds)]


@dataclass
class _Wave:
    """Groups of partitions, and partitions by their shards."""

    groups: Sequence[tuple[Unit, ...]]
    divided: list[tuple[Shard, ...]]


def _waves(
    groups: Sequence[tuple[Unit, ...]],
    large: Sequence[tuple[Unit, int]],
    model: Model,
    place: Path,
    cores: int,
) -> Iterator[_Wave]:
    """Yield all groups with the first shards, then other shards; divided when they are due."""
    wave = _Wave(groups, [])
    for unit, count in large:
        shards = divide_unit(unit, model, shards=count, place=place, scratch=place)
        if shards:
            wave.divided.append(shards)
        else:
            wave.groups = [*wave.groups, (unit,)]
        if sum(map(len, wave.divided)) >= _SHARDS * cores:
            yield wave
            wave = _Wave((), [])
    if wave.groups or wave.divided:
        yield wave


def _merges(wave: _Wave, computed: Sequence[ComputedShard | None]) -> list[Merge]:
    left = iter(computed)
    return [Merge(shards[0].unit, tuple(next(left) for _ in shards)) for shards in wave.divided]


def _partitions(results: Iterable[Result]) -> list[ComputedPartition | Deferred]:
    groups = cast("Iterable[list[ComputedPartition | Deferred]]", results)
    return [each for group in groups for each in group]


def _remove(merges: Iterable[Merge]) -> None:
    """Remove the files of shards that are merged."""
    for shard in (each for merge in merges for each in merge.shards):
        if shard is not None:
            shutil.rmtree(shard.folder, ignore_errors=True)
