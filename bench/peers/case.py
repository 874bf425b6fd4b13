"""What the peers share: a case of step_bench, its random inputs, and the clock.

A peer computes, in float32 and from the same inputs, a plain gradient and the direction of one exact
natural-gradient step: forward, signals, curvature, solve. Samples stand in rows (N x n), NumPy's and JAX's
natural order; W is out x in as in natgrad. All score rows carry 1/sqrt(N).
"""

import dataclasses
import json
import statistics
import time

import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
    """One case, as `step_bench --list --json` describes it."""

    name: str
    widths: tuple  # n_0 ... n_L; hidden layers tanh
    likelihood: str  # "categorical" or "bernoulli"
    kind: str  # "empirical", "mc" (one draw) or "exact" (categorical only)
    structure: str  # "gram" or "dense"
    samples: int  # N
    damping: float  # lambda

    @classmethod
    def parse(cls, text):
        described = json.loads(text)
        fields = {f.name: described[f.name] for f in dataclasses.fields(cls)}
        return cls(**{**fields, "widths": tuple(fields["widths"])})

    @property
    def rows_per_sample(self):
        """r; the categorical Fisher of the outputs has rank C - 1."""
        return self.widths[-1] - 1 if self.kind == "exact" else 1

    @property
    def parameters(self):
        """P."""
        return sum(m * (n + 1) for n, m in zip(self.widths, self.widths[1:]))

    @property
    def jacobian_bytes(self):
        """Of S, R x P, in float32."""
        return 4 * self.samples * self.rows_per_sample * self.parameters


@dataclasses.dataclass
class Inputs:
    theta: list  # of (W, b) per layer
    x: np.ndarray  # N x n_0, uniform in [0, 1]
    y: np.ndarray  # bernoulli: x itself, N x C; categorical: N classes
    draws: np.ndarray  # uniform in [0, 1], N x C (categorical: N), from which "mc" draws its labels


def make_inputs(case, seed=1):
    rng = np.random.default_rng(seed)
    theta = [
        ((rng.standard_normal((m, n)) / np.sqrt(n)).astype(np.float32), np.zeros(m, np.float32))
        for n, m in zip(case.widths, case.widths[1:])
    ]
    x = rng.random((case.samples, case.widths[0]), np.float32)
    if case.likelihood == "bernoulli":
        return Inputs(theta, x, x, rng.random(x.shape, np.float32))
    y = rng.integers(case.widths[-1], size=case.samples)
    return Inputs(theta, x, y, rng.random(case.samples, np.float32))


def median_seconds(run, bound):
    """Median time of `run` over at most 50 calls within about `bound` seconds, after one that warms up."""
    run()
    seconds = []
    while not seconds or (len(seconds) < 50 and sum(seconds) < bound):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)
