"""Which task belongs to which split.

The order of tasks is that of ``sha256(seed, task id)``: no random generator is involved, so it is the same
under every Python version and machine. The ordered tasks of a pool are cut into one part a split, by fixed
shares, and a split is a prefix of its part. So a smaller split is the beginning of a larger one, and changing
the size of one split leaves the others as they are. Only a split larger than its part takes more, from the
ends of what the others leave unused.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domains.domain import DomainError, SplitName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMES: tuple[SplitName, ...] = ("search", "selection", "test")

DEFAULT_SIZES: Mapping[SplitName, int] = {"search": 32, "selection": 32, "test": 100}
"""Tasks a split has when nobody says otherwise (fewer where a part is smaller)."""

EVERY = sys.maxsize
"""As a size: every task of the split's part, and no more."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Tasks that may go to some splits and to no other."""

    ids: Sequence[str]
    shares: Mapping[SplitName, int]
    """Relative sizes of the parts."""


def ordered(ids: Sequence[str], seed: int) -> list[str]:
    """Return ``ids`` in the order of ``sha256(f"{seed}:{id}")``."""
    return sorted(ids, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def partition(ids: Sequence[str], shares: Mapping[SplitName, int], seed: int) -> dict[SplitName, list[str]]:
    """Cut the ordered ids into one part a split, by largest remainder; every id is in exactly one part."""
    whole = sum(shares.values())
    counts = {name: len(ids) * share // whole for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: -(len(ids) * shares[name] % whole))
    for name in by_remainder[: len(ids) - sum(counts.values())]:
        counts[name] += 1
    line = ordered(ids, seed)
    parts: dict[SplitName, list[str]] = {}
    for name, count in counts.items():
        parts[name], line = line[:count], line[count:]
    return parts


def deal(
    pools: Sequence[Pool], sizes: Mapping[SplitName, int] | None, seed: int
) -> dict[SplitName, list[str]]:
    """Return the task ids of each split, pairwise disjoint.

    Args:
        pools: disjoint sets of ids; each split belongs to exactly one pool.
        sizes: tasks wanted per split, or :data:`EVERY`; a split left out gets its default.
        seed: decides the order.

    Raises:
        DomainError: an unknown split, a negative size, or more tasks than the pool has.

    """
    asked = checked(sizes)
    chosen: dict[SplitName, list[str]] = {}
    for pool in pools:
        parts = partition(pool.ids, pool.shares, seed)
        chosen |= _choose(parts, {name: asked[name] for name in parts if name in asked})
    return {name: chosen[name] for name in NAMES}


def checked(sizes: Mapping[SplitName, int] | None) -> dict[SplitName, int]:
    """Return ``sizes`` as a dict; an unknown split or a negative size raises :class:`DomainError`."""
    asked = dict(sizes or {})
    for name, size in asked.items():
        if name not in NAMES:
            raise DomainError(f"unknown split {name!r}: the splits are {', '.join(NAMES)}")
        if size < 0:
            raise DomainError(f"the size of split {name!r} must be 0 or more, not {size}")
    return asked


def _choose(parts: dict[SplitName, list[str]], asked: Mapping[SplitName, int]) -> dict[SplitName, list[str]]:
    have = sum(map(len, parts.values()))
    asked = {name: len(parts[name]) if size == EVERY else size for name, size in asked.items()}
    if sum(asked.values()) > have:
        wanted = " + ".join(f"{name} {size}" for name, size in asked.items())
        raise DomainError(
            f"too few tasks: asked for {wanted}, there are {have} for {', '.join(parts)} together"
        )
    wants = {name: asked.get(name, min(DEFAULT_SIZES[name], len(part))) for name, part in parts.items()}
    excess = sum(wants.values()) - have
    for name in reversed(parts):  # splits nobody asked for give way to those somebody did
        if name not in asked and excess > 0:
            given = min(excess, wants[name])
            wants[name] -= given
            excess -= given
    chosen = {name: part[: wants[name]] for name, part in parts.items()}
    spare = [task for name, part in parts.items() for task in part[wants[name] :]][::-1]
    for name, tasks in chosen.items():
        lacking = wants[name] - len(tasks)
        tasks.extend(spare[:lacking])
        del spare[:lacking]
    return chosen
