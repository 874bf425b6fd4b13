"""Checks that the peers compute the same step: every method against NumPy, on small nets, all kinds."""

import dataclasses
import sys

import numpy as np
from case import Case, make_inputs
from measure import METHODS, make_step
from numpy_step import NumpyStep

LARGEST_ERROR = 1e-4  # relative: the rounding error of float32 times |F| / lambda, about 1e3


def leaves(parts):
    return [leaf for part in parts for leaf in leaves(part)] if isinstance(parts, (list, tuple)) else [parts]


def flat(parts):
    return np.concatenate([np.asarray(leaf).ravel() for leaf in leaves(parts)])


def check(what, got, want):
    """1 where they differ, else 0."""
    got, want = flat(got), flat(want)
    error = np.linalg.norm(got - want) / np.linalg.norm(want)
    print(f"{what:64} relative difference {error:.1e}")
    return int(not error < LARGEST_ERROR)


def main():
    failures = 0
    for likelihood, kind, structure in (
        ("categorical", "empirical", "gram"),
        ("categorical", "mc", "gram"),
        ("categorical", "exact", "gram"),
        ("categorical", "exact", "dense"),
        ("bernoulli", "empirical", "gram"),
        ("bernoulli", "mc", "gram"),
    ):
        name = f"{likelihood} {kind} {structure}"
        widths = (12, 7, 5, 6 if likelihood == "categorical" else 12)
        case = Case(name, widths, likelihood, kind, structure, 33, 1e-2)
        inputs = make_inputs(case)
        numpy_step = NumpyStep(case, inputs)
        for method in METHODS[1:]:
            try:
                peer = make_step(case, inputs, method, "cpu")
            except ImportError as error:
                print(f"{name}: {method} left out, {error}")
                continue
            for quantity in ("gradient", "direction"):
                got, want = (getattr(step, quantity)() for step in (peer, numpy_step))
                failures += check(f"{name}: {quantity}, {method} and numpy", got, want)
        # (F + lambda I) d = g: for a large lambda, d is g / lambda.
        damping = 1e5
        damped = NumpyStep(dataclasses.replace(case, damping=damping), inputs)
        scaled = [damping * part for part in map(np.ravel, damped.direction())]
        failures += check(f"{name}: direction at a large lambda and gradient", scaled, damped.gradient())
        if structure == "dense":
            dual = NumpyStep(dataclasses.replace(case, structure="gram"), inputs)
            failures += check(f"{name}: primal and dual", numpy_step.direction(), dual.direction())
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
