from __future__ import annotations

import collections
import enum
import json
import math
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandboxes import guest, wire

CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
KEYS = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=4)
VALUES = st.recursive(
    KEYS | st.binary().map(bytearray) | st.builds(range, st.integers(), st.integers(), st.integers(1)),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.sets(KEYS) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


def same(left: object, right: object) -> bool:
    """Return whether two values are equal and of equal types all the way down."""
    if type(left) is not type(right) or left != right:
        return False
    if isinstance(left, (list, tuple)):
        return all(map(same, left, right))
    if isinstance(left, dict):
        return all(map(same, left, right)) and all(map(same, left.values(), right.values()))
    if isinstance(left, float):
        return math.copysign(1, left) == math.copysign(1, right)
    return True


@CALM
@given(VALUES)
def test_values_cross_unchanged(value):
    through = guest.decode(json.loads(json.dumps(guest.encode(value))))
    assert same(through, value)


@CALM
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text(), inner)
            | st.dictionaries(st.sampled_from(sorted(guest._DECODERS)), inner, max_size=1)
        ),
        max_leaves=20,
    )
)
def test_what_a_candidate_invents_is_builtin_or_refused(body):
    builtin = (
        type(None),
        bool,
        int,
        float,
        str,
        list,
        complex,
        bytes,
        bytearray,
        range,
        dict,
        tuple,
        set,
        frozenset,
    )
    try:
        value = guest.decode(body)
    except wire.WireError:
        return
    assert type(value) in builtin


def test_subclasses_arrive_as_the_builtin_they_are():
    class Colour(enum.IntEnum):
        RED = 3

    class Odd(str):
        __slots__ = ()

        def __str__(self):
            return "lie"

        def __eq__(self, other):
            return True

        __hash__ = str.__hash__

    class Point(NamedTuple):
        x: int
        y: int

    assert guest.decode(guest.encode(Colour.RED)) == 3
    assert guest.decode(guest.encode(Odd("truth"))) == "truth"
    assert guest.decode(guest.encode(collections.Counter("aab"))) == {"a": 2, "b": 1}
    assert guest.decode(guest.encode(Point(1, 2))) == (1, 2)
    assert type(guest.decode(guest.encode(collections.OrderedDict(a=1)))) is dict


@pytest.mark.parametrize("value", [object(), len, type, iter([]), [object()], {1: object()}])
def test_other_objects_do_not_cross(value):
    with pytest.raises(TypeError, match="cannot be passed on"):
        guest.encode(value)


def test_depth_is_bounded():
    value: list[object] = []
    for _ in range(1000):
        value = [value]
    with pytest.raises(TypeError, match="deep"):
        guest.encode(value)
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(TypeError, match="deep"):
        guest.encode(cycle)
