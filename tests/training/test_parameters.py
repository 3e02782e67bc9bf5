"""Rules of hyper-parameters and what is said when one is broken."""

from numbers import Integral, Real

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skmm._training import Choice, Instance, Number, Pair, Several, check_parameters


@pytest.mark.parametrize(
    ("rule", "allowed", "refused"),
    [
        (Number(Integral, 1), [1, np.int64(7)], [0, 1.0, True, "1", None]),
        (Number(Real, 0, 1), [0, 0.5, np.float32(0.2)], [1, -0.1, float("nan"), False]),
        (Number(Real, 0, 1, "neither"), [0.5], [0, 1]),
        (Number(Real, 0, 1, "both"), [0, 1], [1.1]),
        (Number(Real, 0, 1, "right"), [1], [0]),
        (Choice((None, "a")), [None, "a", np.str_("a")], ["b", 0, [None]]),
        (Choice((True, False)), [True, np.False_], [1, 0, "True"]),
        (Choice((-1,)), [-1, np.int64(-1)], [1, -1.0, True]),
        (Pair(Number(Integral, 1), "a tuple"), [(1, 2), [3, 3]], [(1,), (1, 0), (1, 2, 3), 1, "ab"]),
        (Several(("a", "b")), [("a",), ["b", "a"]], [(), "a", ("a", "a"), ("c",), ([],)]),
        (Instance(dict, "a dict"), [{}], [[], None]),
    ],
)
def test_rules(rule, allowed, refused):
    """Each rule takes what it says, NumPy's scalars among them, and nothing else; True is never 1."""
    assert [rule.allows(value) for value in allowed] == [True] * len(allowed)
    assert [rule.allows(value) for value in refused] == [False] * len(refused)


class _Model(BaseEstimator):
    """An estimator with one parameter."""

    def __init__(self, size=1):
        self.size = size


def test_the_message_names_everything():
    """A wrong value raises with the parameter, the class, all that is allowed, and what came."""
    rules = {"size": (Number(Integral, 1), Choice((-1,)), Instance(dict, "a dict"))}
    check_parameters(_Model(3), rules)

    with pytest.raises(
        ValueError,
        match=r"The 'size' parameter of _Model must be an int in the range \[1, inf\) or -1 or a dict. "
        r"Got 0 instead.",
    ):
        check_parameters(_Model(0), rules)


def test_ranges_are_shown_as_they_are():
    """Open and closed bounds are told apart."""
    assert str(Number(Real, 0, 1, "neither")) == "a float in the range (0, 1)"
    assert str(Number(Real, None, 1, "right")) == "a float in the range (-inf, 1]"
    assert str(Pair(Choice((0,)), "a tuple of (low, high)")) == "a tuple of (low, high), each 0"
    assert str(Several(("a", "b"))) == "a tuple of one or more of 'a', 'b'"
