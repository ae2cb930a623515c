"""Stands in for numpy inside the sandbox, which has the standard library only.

Agent programs use numpy for a few scores: this has those functions, with numpy's results, on lists of numbers and
lists of such lists. Anything else is an ``AttributeError`` that names it. Random draws are Python's own, not numpy's.
"""

from __future__ import annotations

import builtins
import math
import operator
import random as _random
import statistics
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

nan, inf, pi, e = math.nan, math.inf, math.pi, math.e
float64 = float32 = float
int64 = int32 = int
bool_ = bool


class ndarray(list[Any]):  # noqa: N801  # numpy's name
    """A list of numbers (or of such lists) with arithmetic by element."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return (len(self), *(self[0].shape if self and isinstance(self[0], ndarray) else ()))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return len(flat(self))

    @property
    def T(self) -> ndarray:  # noqa: N802  # numpy's name
        """Transposed."""
        return ndarray(map(ndarray, zip(*self, strict=True))) if self.ndim > 1 else self.copy()

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple):
            first, *rest = index
            rows = self[first]
            if not rest:
                return rows
            if isinstance(first, slice):
                return array([row[tuple(rest)] for row in rows])
            return rows[tuple(rest)]
        if isinstance(index, list):
            chosen = index if index and not isinstance(index[0], bool) else _true(index)
            return ndarray(list.__getitem__(self, i) for i in chosen)
        value = list.__getitem__(self, index)
        return ndarray(value) if isinstance(index, slice) else value

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, tuple) and len(index) > 1:
            self[index[0]][index[1:]] = value
        else:
            list.__setitem__(self, index[0] if isinstance(index, tuple) else index, value)

    def tolist(self) -> list[Any]:
        """Return plain lists."""
        return [item.tolist() if isinstance(item, ndarray) else item for item in self]

    def copy(self) -> ndarray:
        """Return a copy."""
        return ndarray(map(array, self))

    def flatten(self) -> ndarray:
        """Return all elements in one dimension."""
        return ndarray(flat(self))

    def astype(self, kind: Callable[[Any], Any]) -> ndarray:
        """Return the elements as another type."""
        return ndarray(_each(kind, item) for item in self)

    def __eq__(self, other: object) -> Any:
        return _pairs(operator.eq, self, other)

    def __ne__(self, other: object) -> Any:
        return _pairs(operator.ne, self, other)

    def __neg__(self) -> ndarray:
        return ndarray(_each(operator.neg, item) for item in self)

    __hash__ = None


def array(values: Any, dtype: Callable[[Any], Any] | None = None) -> Any:
    """Return an array of values; a number stays one."""
    made = ndarray(map(array, values)) if isinstance(values, list | tuple | range) else values
    return made if dtype is None else _each(dtype, made)


asarray = array


def flat(values: Any) -> list[Any]:
    """Return all elements as a plain list."""
    if isinstance(values, list | tuple | range):
        return [one for item in values for one in flat(item)]
    return [values]


def _each(function: Callable[[Any], Any], values: Any) -> Any:
    if isinstance(values, list | tuple | range):
        return ndarray(_each(function, item) for item in values)
    return function(values)


def _pairs(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    lists = [isinstance(one, list | tuple) for one in (a, b)]
    if not builtins.any(lists):
        return function(a, b)
    left = a if lists[0] else [a] * len(b)
    right = b if lists[1] else [b] * len(a)
    if len(left) != len(right):
        raise ValueError(
            f"operands could not be broadcast together with lengths {len(left)} and {len(right)}"
        )
    return ndarray(_pairs(function, x, y) for x, y in zip(left, right, strict=True))


def _operators() -> None:
    """Give arrays their arithmetic and comparisons."""
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        function = getattr(operator, name)
        setattr(ndarray, f"__{name}__", lambda a, b, f=function: _pairs(f, a, b))
        setattr(ndarray, f"__i{name}__", lambda a, b, f=function: _pairs(f, a, b))
        setattr(ndarray, f"__r{name}__", lambda a, b, f=function: _pairs(f, b, a))
    for name in ("lt", "le", "gt", "ge"):
        function = getattr(operator, name)
        setattr(ndarray, f"__{name}__", lambda a, b, f=function: _pairs(f, a, b))
    for name in (
        "sum",
        "mean",
        "std",
        "var",
        "min",
        "max",
        "argmin",
        "argmax",
        "prod",
        "all",
        "any",
        "round",
    ):
        setattr(ndarray, name, globals()[name])


def full(shape: Any, value: Any) -> Any:
    """Return an array of one value."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return ndarray(full(sizes[1:], value) for _ in builtins.range(sizes[0])) if sizes else value


def zeros(shape: Any, dtype: Callable[[Any], Any] = float) -> Any:
    """Return an array of zeros."""
    return full(shape, dtype(0))


def ones(shape: Any, dtype: Callable[[Any], Any] = float) -> Any:
    """Return an array of ones."""
    return full(shape, dtype(1))


def arange(*limits: float) -> ndarray:
    """Return evenly spaced numbers from start (0) up to stop, step (1) apart."""
    start, stop, step = (0, *limits, 1)[-3:] if len(limits) == 1 else (*limits, 1)[:3]
    return ndarray(
        start + step * i for i in builtins.range(builtins.max(0, math.ceil((stop - start) / step)))
    )


def linspace(start: float, stop: float, num: int = 50) -> ndarray:
    """Return ``num`` evenly spaced numbers, both ends included."""
    return ndarray(start + (stop - start) * i / builtins.max(1, num - 1) for i in builtins.range(num))


def concatenate(arrays: Sequence[Any]) -> ndarray:
    """Join arrays end to end."""
    return ndarray(item for one in arrays for item in array(one))


def _reduced(function: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def reduce(values: Any, axis: int | None = None) -> Any:
        if axis is None:
            return function(flat(values))
        rows = array(values)
        return ndarray(function(list(row)) for row in (rows.T if axis == 0 and rows.ndim > 1 else rows))

    return reduce


sum = _reduced(builtins.sum)  # noqa: A001
prod = _reduced(math.prod)
min = _reduced(builtins.min)  # noqa: A001
max = _reduced(builtins.max)  # noqa: A001
amin, amax = min, max
all = _reduced(builtins.all)  # noqa: A001
any = _reduced(builtins.any)  # noqa: A001
mean = average = _reduced(lambda values: math.fsum(values) / len(values) if values else nan)
median = _reduced(lambda values: float(statistics.median(values)) if values else nan)
var = _reduced(lambda values: float(statistics.pvariance(values)) if values else nan)
std = _reduced(lambda values: float(statistics.pstdev(values)) if values else nan)
argmax = _reduced(lambda values: values.index(builtins.max(values)))
argmin = _reduced(lambda values: values.index(builtins.min(values)))


def argsort(values: Any) -> ndarray:
    """Return the indices that sort values."""
    return ndarray(sorted(builtins.range(len(values)), key=values.__getitem__))


def sort(values: Any) -> ndarray:
    """Return the values, sorted."""
    return ndarray(sorted(values))


def unique(values: Any) -> ndarray:
    """Return the different values, sorted."""
    return ndarray(sorted(set(flat(values))))


def _true(values: Any) -> list[int]:
    return [i for i, value in enumerate(values) if value]


def where(condition: Any, *choices: Any) -> Any:
    """Choose by element; without choices, return where the condition holds."""
    if not choices:
        return (ndarray(_true(condition)),)
    yes, no = choices
    if not isinstance(condition, list):
        return yes if condition else no
    pick = [x if isinstance(x, list) else [x] * len(condition) for x in (yes, no)]
    return ndarray(where(c, a, b) for c, a, b in zip(condition, *pick, strict=True))


def clip(values: Any, low: float, high: float) -> Any:
    """Hold values within limits."""
    return _each(lambda value: builtins.min(builtins.max(value, low), high), values)


def cumsum(values: Any) -> ndarray:
    """Return running sums."""
    return ndarray(builtins.sum(flat(values)[: i + 1]) for i in builtins.range(len(flat(values))))


def dot(a: Any, b: Any) -> Any:
    """Return the inner product of two vectors."""
    return builtins.sum(_pairs(operator.mul, array(a), array(b)))


def array_equal(a: Any, b: Any) -> bool:
    """Return whether shape and elements are the same."""
    return list.__eq__(array(a).tolist(), array(b).tolist()) is True


def _by_element(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: _each(function, values)


abs = absolute = _by_element(builtins.abs)  # noqa: A001
sqrt, exp, log, log2 = map(_by_element, (math.sqrt, math.exp, math.log, math.log2))
floor, ceil = (
    _by_element(lambda value: float(math.floor(value))),
    _by_element(lambda value: float(math.ceil(value))),
)
isnan = _by_element(math.isnan)


def round(values: Any, decimals: int = 0) -> Any:  # noqa: A001
    """Round by element."""
    return _each(lambda value: builtins.round(value, decimals), values)


def maximum(a: Any, b: Any) -> Any:
    """Return the greater of two, by element."""
    return _pairs(builtins.max, a, b)


def minimum(a: Any, b: Any) -> Any:
    """Return the lesser of two, by element."""
    return _pairs(builtins.min, a, b)


def _draws(size: Any, draw: Callable[[], Any]) -> Any:
    if size is None:
        return draw()
    sizes = (size,) if isinstance(size, int) else tuple(size)
    return ndarray(_draws(sizes[1:] or None, draw) for _ in builtins.range(sizes[0]))


def _choice(options: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
    pool = list(builtins.range(options)) if isinstance(options, int) else list(options)
    if replace or size is None:
        return _draws(size, lambda: _random.choices(pool, weights=p)[0])
    keys = [_random.random() ** (1 / weight) if weight else 0.0 for weight in p or [1.0] * len(pool)]
    return ndarray(pool[i] for i in sorted(builtins.range(len(pool)), key=lambda i: -keys[i])[:size])


def _permutation(options: Any) -> ndarray:
    pool = list(builtins.range(options)) if isinstance(options, int) else list(options)
    return ndarray(_random.sample(pool, len(pool)))


def _integers(low: int, high: int | None = None, size: Any = None) -> Any:
    start, stop = (0, low) if high is None else (low, high)
    return _draws(size, lambda: _random.randrange(start, stop))


random = types.ModuleType("numpy.random")
random.__dict__.update(
    seed=_random.seed,
    rand=lambda *shape: _draws(shape or None, _random.random),
    random=lambda size=None: _draws(size, _random.random),
    uniform=lambda low=0.0, high=1.0, size=None: _draws(size, lambda: _random.uniform(low, high)),
    normal=lambda loc=0.0, scale=1.0, size=None: _draws(size, lambda: _random.gauss(loc, scale)),
    randn=lambda *shape: _draws(shape or None, lambda: _random.gauss(0.0, 1.0)),
    randint=_integers,
    choice=_choice,
    shuffle=_random.shuffle,
    permutation=_permutation,
)

_operators()
