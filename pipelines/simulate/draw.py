"""Random draws as whole columns: texts, choices, misspellings, unique numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Rng: TypeAlias = np.random.Generator
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

_ALPHABETS = {
    "%": b"0123456789abcdef",
    "*": b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    "#": b"0123456789",
}
UUID4 = "%%%%%%%%-%%%%-4%%%-a%%%-%%%%%%%%%%%%"


def texts(rng: Rng, count: int, template: str) -> pl.Series:
    """Random texts of one length: `%` is a hex digit, `*` a base64url character, `#` a digit."""
    letters = np.frombuffer(template.encode(), dtype=np.uint8)
    cells = np.tile(letters, (count, 1))
    for mark, alphabet in _ALPHABETS.items():
        columns = np.flatnonzero(letters == ord(mark))
        codes = rng.integers(0, len(alphabet), (count, columns.size), dtype=np.uint8)
        cells[:, columns] = np.frombuffer(alphabet, dtype=np.uint8)[codes]
    return _series_of_cells(cells)


def _series_of_cells(cells: npt.NDArray[np.uint8]) -> pl.Series:
    count, width = cells.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(cells)]
    array: Any = pa.Array.from_buffers(pa.large_string(), count, buffers)
    return pl.Series(array, dtype=pl.String)


def chance(rng: Rng, probability: float | Floats, count: int) -> Flags:
    """One Bernoulli draw per row."""
    return rng.random(count) < probability


def indices(rng: Rng, count: int, weights: Sequence[float]) -> Ints:
    """Random positions with the given weights."""
    cumulative = np.cumsum(np.asarray(weights, dtype=np.float64))
    drawn = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    return np.asarray(drawn, dtype=np.int64)


def pick(rng: Rng, values: Sequence[str], count: int, weights: Sequence[float] | None = None) -> pl.Series:
    """Random values, drawn with replacement."""
    chosen = indices(rng, count, weights) if weights is not None else rng.integers(0, len(values), count)
    return pl.Series(values, dtype=pl.String).gather(chosen)


def zipf_weights(size: int) -> list[float]:
    """Weights that decrease with rank, like the frequencies of names."""
    return [1.0 / (rank + 8) for rank in range(size)]


def scrambled(numbers: Ints, space: int, seed: int) -> Ints:
    """A permutation of the numbers 0 … space-1, so that ids do not reveal the order of people."""
    factor = next(prime for prime in (7_368_787, 6_700_417, 5_800_079) if space % prime)
    return (numbers * factor + seed * 104_729) % space


def misspelt(rng: Rng, values: pl.Series, share: float) -> pl.Series:
    """The values with one letter dropped or two swapped near the beginning, in `share` of the rows."""
    count = len(values)
    frame = pl.DataFrame(
        {
            "value": values,
            "place": rng.integers(1, 5, count).astype(np.uint32),
            "hit": chance(rng, share, count),
            "swap": chance(rng, 0.5, count),
        }
    )
    value, place = pl.col("value"), pl.col("place")
    head, tail = value.str.slice(0, place), value.str.slice(place + 2)
    first, second = value.str.slice(place, 1), value.str.slice(place + 1, 1)
    wrong = pl.when("swap").then(head + second + first + tail).otherwise(head + second + tail)
    long_enough = value.str.len_chars() > 5
    return frame.select(pl.when(pl.col("hit") & long_enough).then(wrong).otherwise(value)).to_series()
