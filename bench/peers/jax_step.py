"""A plain gradient and an exact natural-gradient direction in JAX, each one jitted function.

factored: as in numpy_step.py, from the layers' factors.
jacobian: the score rows S in full, one back-propagation per row under vmap (for empirical rows that is
          vmap of grad), then K = S S' and d = v + S' y, or F = S' S.
"""

import functools

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

jax.config.update("jax_default_matmul_precision", "highest")  # f32: without it a GPU multiplies in TF32


def solve(matrix, damping, b):
    return cho_solve(cho_factor(matrix + damping * jnp.eye(len(matrix), dtype=matrix.dtype), lower=True), b)


def outputs(theta, x, shifts=None):
    """z_L of one sample or of a batch, and the layers' inputs; `shifts` are added to the layers' z."""
    a = []
    for l, (w, b) in enumerate(theta):
        a.append(x)
        z = x @ w.T + b + (0 if shifts is None else shifts[l])
        x = jnp.tanh(z)
    return z, a


def loss(case, z, y):
    if case.likelihood == "bernoulli":
        return jnp.mean(jnp.sum(jax.nn.softplus(z) - y * z, axis=1))
    return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y[:, None], axis=1)[:, 0])


def exact_signals(p, y):
    """The columns of B(z), B B' = diag(p) - p p', N x C - 1 x C, and c with B c = p - y."""
    q = jnp.cumsum(p[:, ::-1], axis=1)[:, ::-1]
    before, after, pk = q[:, :-1], q[:, 1:], p[:, :-1]
    k, i = jnp.arange(p.shape[1] - 1), jnp.arange(p.shape[1])
    below = -p[:, None, :] * jnp.sqrt(pk / (after * before))[:, :, None]
    diagonal = jnp.sqrt(pk * after / before)[:, :, None]
    b = jnp.where(i > k[:, None], below, jnp.where(i == k[:, None], diagonal, 0))
    c = jnp.where(k < y[:, None], jnp.sqrt(pk / (after * before)), 0)
    return b, jnp.where(k == y[:, None], -jnp.sqrt(after / (pk * before)), c)


def output_signals(case, z, y, draws):
    """(N x r x C, u), u with g = S' u or None."""
    p = jax.nn.sigmoid(z) if case.likelihood == "bernoulli" else jax.nn.softmax(z)
    scale = case.samples**-0.5
    if case.kind == "exact":
        b, c = exact_signals(p, y)
        return b * scale, (c * scale).ravel()
    u = jnp.full(case.samples, scale)
    if case.kind == "mc":
        bernoulli = case.likelihood == "bernoulli"
        y = draws < p if bernoulli else (draws[:, None] > jnp.cumsum(p[:, :-1], axis=1)).sum(axis=1)
        u = None
    targets = jax.nn.one_hot(y, p.shape[1]) if y.ndim == 1 else y
    return (p - targets)[:, None, :] * scale, u


def gradient(case, theta, x, y, draws):
    del draws
    return jax.grad(lambda t: loss(case, outputs(t, x)[0], y))(theta)


def dual_direction(case, k, u, gradient, product, transposed_product):
    """y = (K + lambda I)^-1 (u - S v), d = v + S' y; v = g / lambda where there is no u, else 0."""
    if u is not None:
        return transposed_product(solve(k, case.damping, u))
    v = jax.tree.map(lambda g: g / case.damping, gradient)
    d = transposed_product(solve(k, case.damping, -product(v)))
    return jax.tree.map(jnp.add, v, d)


def factored_direction(case, theta, x, y, draws):
    zeros = [jnp.zeros((case.samples, len(b))) for _, b in theta]
    z, pull, a = jax.vjp(lambda shifts: outputs(theta, x, shifts), zeros, has_aux=True)
    signals, u = output_signals(case, z, y, draws)
    # D_l, N x r x n_{l+1}: the derivative by a layer's z of each sample alone.
    d = jax.vmap(lambda row: pull(row)[0], in_axes=1, out_axes=1)(signals)
    rows = case.samples * case.rows_per_sample
    if case.structure == "dense":
        weights = [jnp.einsum("nrj,ni->nrji", dl, al).reshape(rows, -1) for al, dl in zip(a, d)]
        return dense_direction(case, list(zip(weights, (dl.reshape(rows, -1) for dl in d))), u)

    def gram(al, dl):
        signals = dl.reshape(rows, -1)
        by_sample = (signals @ signals.T).reshape(case.samples, case.rows_per_sample, case.samples, -1)
        return (by_sample * (al @ al.T + 1)[:, None, :, None]).reshape(rows, rows)

    def product(v):
        return sum(jnp.einsum("nrj,nj->nr", dl, al @ w.T + b).ravel() for al, dl, (w, b) in zip(a, d, v))

    def transposed_product(w):
        weighted = [jnp.einsum("nrj,nr->nj", dl, w.reshape(case.samples, -1)) for dl in d]
        return [(e.T @ al, e.sum(axis=0)) for al, e in zip(a, weighted)]

    k = sum(gram(al, dl) for al, dl in zip(a, d))
    g = gradient(case, theta, x, y, draws) if u is None else None
    return dual_direction(case, k, u, g, product, transposed_product)


def jacobian_direction(case, theta, x, y, draws):
    signals, u = output_signals(case, outputs(theta, x)[0], y, draws)

    def rows_of(sample, row):
        _, pull = jax.vjp(lambda t: outputs(t, sample)[0], theta)
        return jax.vmap(lambda signal: pull(signal)[0])(row)

    rows = case.samples * case.rows_per_sample
    s = jax.tree.map(lambda leaf: leaf.reshape(rows, -1), jax.vmap(rows_of)(x, signals))
    if case.structure == "dense":
        return dense_direction(case, s, u)

    def product(v):
        return sum(jax.tree.leaves(jax.tree.map(lambda sl, vl: sl @ vl.ravel(), s, v)))

    def transposed_product(w):
        return jax.tree.map(lambda sl, like: (w @ sl).reshape(like.shape), s, theta)

    k = sum(sl @ sl.T for sl in jax.tree.leaves(s))
    g = gradient(case, theta, x, y, draws) if u is None else None
    return dual_direction(case, k, u, g, product, transposed_product)


def dense_direction(case, parts, u):
    s = jnp.concatenate(jax.tree.leaves(parts), axis=1)
    return solve(s.T @ s, case.damping, s.T @ u)


class JaxStep:
    """`method` is "factored" or "jacobian"."""

    def __init__(self, case, inputs, method):
        arguments = jax.device_put((inputs.theta, inputs.x, inputs.y, inputs.draws))
        direction = {"factored": factored_direction, "jacobian": jacobian_direction}[method]
        self._gradient = functools.partial(jax.jit(functools.partial(gradient, case)), *arguments)
        self._direction = functools.partial(jax.jit(functools.partial(direction, case)), *arguments)

    def gradient(self):
        return jax.block_until_ready(self._gradient())

    def direction(self):
        return jax.block_until_ready(self._direction())

    def peak_bytes(self):
        """High-water mark of the GPU's memory; None on the CPU."""
        statistics = jax.devices()[0].memory_stats()
        return statistics["peak_bytes_in_use"] if statistics else None
