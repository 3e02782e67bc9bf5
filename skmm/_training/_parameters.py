"""Allowed values of hyper-parameters, as data, and one template for what is said when they are wrong."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

_TYPES = {type(None): type(None), bool: (bool, np.bool_), str: str, int: (int, np.integer)}


@dataclass(frozen=True)
class Number:
    """A number between two bounds; ``closed`` says which of them are allowed."""

    kind: type
    low: float | None = None
    high: float | None = None
    closed: str = "left"

    def allows(self, value):
        """Whether a value is such a number."""
        if isinstance(value, bool) or not isinstance(value, self.kind) or value != value:  # noqa: PLR0124  NaN
            return False
        above = (
            self.low is None or value > self.low or (self.closed in {"left", "both"} and value == self.low)
        )
        below = (
            self.high is None
            or value < self.high
            or (self.closed in {"right", "both"} and value == self.high)
        )
        return above and below

    def __str__(self):
        name = "an int" if self.kind is Integral else "a float"
        left = "[" if self.closed in {"left", "both"} and self.low is not None else "("
        right = "]" if self.closed in {"right", "both"} and self.high is not None else ")"
        low = "-inf" if self.low is None else self.low
        high = "inf" if self.high is None else self.high
        return f"{name} in the range {left}{low}, {high}{right}"


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple

    def allows(self, value):
        """Whether a value is among them, and of the same type, NumPy's own included (True is not 1)."""
        return any(isinstance(value, _TYPES[type(choice)]) and value == choice for choice in self.values)

    def __str__(self):
        return " or ".join(repr(value) for value in self.values)


@dataclass(frozen=True)
class Instance:
    """An instance of a class; ``name`` is what a reader is told."""

    type: type | tuple
    name: str

    def allows(self, value):
        """Whether a value is such an instance."""
        return isinstance(value, self.type)

    def __str__(self):
        return self.name


@dataclass(frozen=True)
class Pair:
    """A rule for parameters: a tuple or list of two values, each of which a rule allows."""

    rule: object
    what: str

    def allows(self, value):
        """Whether a value is such a pair."""
        return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(self.rule.allows, value))

    def __str__(self):
        return f"{self.what}, each {self.rule}"


@dataclass(frozen=True)
class Several:
    """A tuple or list of some of a few values, each once."""

    values: tuple

    def allows(self, value):
        """Whether a value is such a tuple or list."""
        one = Choice(self.values)
        known = isinstance(value, (tuple, list)) and len(value) > 0 and all(map(one.allows, value))
        return known and len(value) == len(set(value))

    def __str__(self):
        return f"a tuple of one or more of {', '.join(map(repr, self.values))}"


COUNT = Number(Integral, 1)
SHARE = Number(Real, 0, 1)
NON_NEGATIVE = Number(Real, 0)
FLAG = Choice((True, False))


def check_values(who, values, rules):
    """Raise for the first value that no rule of its own allows.

    Parameters
    ----------
    who : str
        The class or function whose parameters they are.
    values : mapping of str -> object
        Values by parameter.
    rules : dict of str -> tuple
        Allowed values by parameter.

    Raises
    ------
    ValueError
        Naming the parameter, the class or function, what is allowed and what came.
    """
    for name, allowed in rules.items():
        value = values[name]
        if not any(rule.allows(value) for rule in allowed):
            described = " or ".join(str(rule) for rule in allowed)
            raise ValueError(f"The {name!r} parameter of {who} must be {described}. Got {value!r} instead.")


def check_parameters(estimator, rules):
    """Raise for the first parameter of an estimator that no rule of its own allows.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose parameters.
    rules : dict of str -> tuple
        Allowed values by parameter.

    Raises
    ------
    ValueError
        As `check_values`.
    """
    check_values(type(estimator).__name__, {name: getattr(estimator, name) for name in rules}, rules)
