"""A plain gradient and an exact natural-gradient direction in NumPy.

gram:  K = sum_l (A~ A~') o (D D'),  y = (K + lambda I)^-1 (u - S v),  d = v + S' y   (the factors alone)
dense: S from its factors, row by row,  F = S' S,  d = (F + lambda I)^-1 S' u
"""

import numpy as np


class NumpyStep:
    def __init__(self, case, inputs):
        self.case, self.inputs = case, inputs
        rows = case.samples * case.rows_per_sample
        if case.structure == "gram":
            self.k, self.product = (np.empty((rows, rows), np.float32) for _ in range(2))
        else:
            self.s = np.empty((rows, case.parameters), np.float32)

    def gradient(self):
        a, p = self._forward()
        return self._gradient(a, p)

    def direction(self):
        a, p = self._forward()
        signals, u = self._output_signals(p)
        d = self._backward(a, signals)
        if self.case.structure == "dense":
            return self._dense_direction(a, d, u)
        self._gram(a, d)
        self.k[np.diag_indices_from(self.k)] += np.float32(self.case.damping)
        if u is not None:
            return self._transposed_product(a, d, np.linalg.solve(self.k, u))
        v = [g / np.float32(self.case.damping) for g in self._gradient(a, p)]
        y = np.linalg.solve(self.k, -self._product(a, d, v))
        return [vl + dl for vl, dl in zip(v, self._transposed_product(a, d, y))]

    def _forward(self):
        """Inputs of all layers, and the output's probabilities."""
        a = [self.inputs.x]
        for w, b in self.inputs.theta:
            z = a[-1] @ w.T
            z += b
            a.append(np.tanh(z))
        a.pop()
        if self.case.likelihood == "bernoulli":
            return a, 1 / (1 + np.exp(-z))
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return a, e / e.sum(axis=1, keepdims=True)

    def _output_signals(self, p):
        """(N r x C, u), u with g = S' u or None."""
        scale = np.float32(1 / np.sqrt(self.case.samples))
        if self.case.kind == "empirical":
            return (p - self._one_hot(self.inputs.y)) * scale, np.full(len(p), scale)
        if self.case.kind == "mc":
            return (p - self._one_hot(self._drawn(p))) * scale, None
        return self._exact_signals(p, scale)

    def _exact_signals(self, p, scale):
        """The columns of B(z), B B' = diag(p) - p p' (Tanabe & Sagae 1992), and c with B c = p - y."""
        n, classes = p.shape
        q = np.cumsum(p[:, ::-1], axis=1)[:, ::-1]  # q_{k-1}, the sum over j >= k
        before, after, pk = q[:, :-1], q[:, 1:], p[:, :-1]
        below = np.tril(np.ones((classes, classes), np.float32), -1)[:, :-1]
        b = -p[:, :, None] * np.sqrt(pk / (after * before))[:, None, :] * below
        k = np.arange(classes - 1)
        b[:, k, k] = np.sqrt(pk * after / before)
        y = self.inputs.y[:, None]
        c = np.where(k < y, np.sqrt(pk / (after * before)), 0)
        c = np.where(k == y, -np.sqrt(after / (pk * before)), c)
        return b.transpose(0, 2, 1).reshape(-1, classes) * scale, (c * scale).ravel()

    def _drawn(self, p):
        if self.case.likelihood == "bernoulli":
            return self.inputs.draws < p
        return (self.inputs.draws[:, None] > np.cumsum(p[:, :-1], axis=1)).sum(axis=1)

    def _one_hot(self, y):
        return np.eye(self.case.widths[-1], dtype=np.float32)[y] if y.ndim == 1 else y

    def _backward(self, a, signals):
        """D_l of all layers, N r x n_{l+1}; nothing is summed over the batch."""
        d = [signals]
        for (w, _), al in zip(self.inputs.theta[:0:-1], a[:0:-1]):
            back = d[0] @ w
            by_sample = back.reshape(len(al), -1, al.shape[1])
            by_sample *= (1 - al * al)[:, None, :]
            d.insert(0, back)
        return d

    def _gradient(self, a, p):
        d = self._backward(a, (p - self._one_hot(self.inputs.y)) / np.float32(len(p)))
        return [g for al, dl in zip(a, d) for g in (dl.T @ al, dl.sum(axis=0))]

    def _gram(self, a, d):
        n, r = self.case.samples, self.case.rows_per_sample
        for layer, (al, dl) in enumerate(zip(a, d)):
            target = self.k if layer == 0 else self.product
            inputs = al @ al.T
            inputs += 1
            np.matmul(dl, dl.T, out=target)
            by_sample = target.reshape(n, r, n, r)
            by_sample *= inputs[:, None, :, None]
            if layer > 0:
                self.k += self.product

    def _product(self, a, d, v):
        """S v."""
        parts = (al @ w.T + b for al, w, b in zip(a, v[::2], v[1::2]))
        return sum(np.einsum("ij,ij->i", dl, t) for dl, t in zip(d, parts))

    def _transposed_product(self, a, d, y):
        """S' y."""
        r = self.case.rows_per_sample
        out = []
        for al, dl in zip(a, d):
            weighted = (dl * y[:, None]).reshape(len(al), r, -1).sum(axis=1)
            out += [weighted.T @ al, weighted.sum(axis=0)]
        return out

    def _dense_direction(self, a, d, u):
        n, r = self.case.samples, self.case.rows_per_sample
        begin, ends = 0, []
        for al, dl in zip(a, d):
            m, inputs = dl.shape[1], al.shape[1]
            weights = self.s[:, begin : begin + m * inputs].reshape(n, r, m, inputs)
            np.multiply(dl.reshape(n, r, m, 1), al[:, None, None, :], out=weights)
            self.s[:, begin + m * inputs : begin + m * (inputs + 1)] = dl
            ends += [begin + m * inputs, begin + m * (inputs + 1)]
            begin = ends[-1]
        f = self.s.T @ self.s
        f[np.diag_indices_from(f)] += np.float32(self.case.damping)
        return np.split(np.linalg.solve(f, self.s.T @ u), ends[:-1])
