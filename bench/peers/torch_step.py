"""A plain gradient and an exact natural-gradient direction in PyTorch, f32 without TF32.

factored: as in numpy_step.py, from the layers' factors, on buffers kept from call to call.
jacobian: the score rows S in full, one back-propagation per row under vmap (for empirical rows that is
          vmap of grad), then K = S S' and d = v + S' y, or F = S' S.
"""

import torch
from torch.func import grad, vjp, vmap

torch.backends.cuda.matmul.allow_tf32 = False


def solve(matrix, damping, b):
    """(matrix + damping I)^-1 b; damps the matrix in place. `cholesky_ex`, for `cholesky` waits for its info."""
    matrix.diagonal().add_(damping)
    return torch.cholesky_solve(b[:, None], torch.linalg.cholesky_ex(matrix)[0])[:, 0]


def outputs(theta, x):
    """z_L of one sample or of a batch, and the layers' inputs."""
    a = []
    for w, b in theta:
        a.append(x)
        z = x @ w.T + b
        x = torch.tanh(z)
    return z, a


class TorchStep:
    """`method` is "factored" or "jacobian", `device` "cpu" or "cuda"."""

    def __init__(self, case, inputs, method, device):
        def put(array):
            return torch.as_tensor(array, device=device)

        self.case, self.device = case, device
        self.theta = [(put(w), put(b)) for w, b in inputs.theta]
        self.x, self.y, self.draws = put(inputs.x), put(inputs.y), put(inputs.draws)
        self._direction = {"factored": self._factored_direction, "jacobian": self._jacobian_direction}[method]
        rows = case.samples * case.rows_per_sample
        if method == "factored" and case.structure == "gram":
            self.k, self.product = (torch.empty((rows, rows), device=device) for _ in range(2))

    def gradient(self):
        return self._finished([part for layer in self._gradient() for part in layer])

    def direction(self):
        with torch.no_grad():
            return self._finished(self._direction())

    def peak_bytes(self):
        """High-water mark of the GPU's memory; None on the CPU."""
        return torch.cuda.max_memory_allocated() if self.device == "cuda" else None

    def _finished(self, result):
        if self.device == "cuda":
            torch.cuda.synchronize()
        return result

    def _loss(self, theta):
        z, _ = outputs(theta, self.x)
        if self.case.likelihood == "bernoulli":
            return (torch.nn.functional.softplus(z) - self.y * z).sum(1).mean()
        return torch.nn.functional.cross_entropy(z, self.y)

    def _gradient(self):
        return grad(self._loss)(self.theta)

    def _output_signals(self, z):
        """(N x r x C, u), u with g = S' u or None."""
        case, scale = self.case, self.case.samples**-0.5
        bernoulli = case.likelihood == "bernoulli"
        p = torch.sigmoid(z) if bernoulli else torch.softmax(z, 1)
        if case.kind == "exact":
            return self._exact_signals(p, scale)
        y, u = self.y, torch.full((case.samples,), scale, device=self.device)
        if case.kind == "mc":
            u = None
            y = self.draws < p if bernoulli else (self.draws[:, None] > p[:, :-1].cumsum(1)).sum(1)
        targets = y if bernoulli else torch.nn.functional.one_hot(y, p.shape[1])
        return (p - targets.float())[:, None, :] * scale, u

    def _exact_signals(self, p, scale):
        """The columns of B(z), B B' = diag(p) - p p' (Tanabe & Sagae 1992), and c with B c = p - y."""
        q = p.flip(1).cumsum(1).flip(1)
        before, after, pk = q[:, :-1], q[:, 1:], p[:, :-1]
        b = (-p[:, None, :] * (pk / (after * before)).sqrt()[:, :, None]).triu(1)
        b.diagonal(dim1=1, dim2=2).copy_((pk * after / before).sqrt())
        k, y = torch.arange(p.shape[1] - 1, device=self.device), self.y[:, None]
        c = torch.where(k < y, (pk / (after * before)).sqrt(), 0)
        c = torch.where(k == y, -(after / (pk * before)).sqrt(), c)
        return b * scale, (c * scale).ravel()

    # --- from the factors -------------------------------------------------------------------------------

    def _factored_direction(self):
        z, a = outputs(self.theta, self.x)
        signals, u = self._output_signals(z)
        d = [signals]  # D_l, N x r x n_{l+1}
        for (w, _), al in zip(self.theta[:0:-1], a[:0:-1]):
            d.insert(0, (d[0] @ w) * (1 - al * al)[:, None, :])
        if self.case.structure == "dense":
            parts = [[torch.einsum("nrj,ni->nrji", dl, al).flatten(0, 1).flatten(1), dl.flatten(0, 1)]
                     for al, dl in zip(a, d)]
            return self._dense_direction([part for layer in parts for part in layer], u)

        def product(v):
            parts = (al @ w.T + b for al, (w, b) in zip(a, v))
            return sum(torch.einsum("nrj,nj->nr", dl, t).ravel() for dl, t in zip(d, parts))

        def transposed_product(y):
            weighted = [torch.einsum("nrj,nr->nj", dl, y.view(self.case.samples, -1)) for dl in d]
            return [part for al, e in zip(a, weighted) for part in (e.T @ al, e.sum(0))]

        self._gram(a, d)
        return self._dual_direction(self.k, u, product, transposed_product)

    def _gram(self, a, d):
        n, r = self.case.samples, self.case.rows_per_sample
        for layer, (al, dl) in enumerate(zip(a, d)):
            target, rows = self.k if layer == 0 else self.product, dl.flatten(0, 1)
            torch.mm(rows, rows.T, out=target)
            target.view(n, r, n, r).mul_((al @ al.T + 1)[:, None, :, None])
            if layer > 0:
                self.k += self.product

    # --- through the Jacobian ---------------------------------------------------------------------------

    def _jacobian_direction(self):
        signals, u = self._output_signals(outputs(self.theta, self.x)[0])

        def rows_of(sample, row):
            _, pull = vjp(lambda theta: outputs(theta, sample)[0], self.theta)
            return vmap(lambda signal: pull(signal)[0])(row)

        rows = vmap(rows_of)(self.x, signals)
        s = [part.flatten(0, 1).flatten(1) for layer in rows for part in layer]
        if self.case.structure == "dense":
            return self._dense_direction(s, u)

        def product(v):
            return sum(sl @ vl.ravel() for sl, vl in zip(s, (part for layer in v for part in layer)))

        def transposed_product(y):
            parts = [part for layer in self.theta for part in layer]
            return [(y @ sl).view(part.shape) for sl, part in zip(s, parts)]

        return self._dual_direction(sum(sl @ sl.T for sl in s), u, product, transposed_product)

    # --- solves -----------------------------------------------------------------------------------------

    def _dual_direction(self, k, u, product, transposed_product):
        """y = (K + lambda I)^-1 (u - S v), d = v + S' y; v = g / lambda where there is no u, else 0."""
        damping = self.case.damping
        if u is not None:
            return transposed_product(solve(k, damping, u))
        v = [(w / damping, b / damping) for w, b in self._gradient()]
        d = transposed_product(solve(k, damping, -product(v)))
        return [part + dl for part, dl in zip((part for layer in v for part in layer), d)]

    def _dense_direction(self, parts, u):
        s = torch.cat(parts, 1)
        return [solve(s.T @ s, self.case.damping, s.T @ u)]
