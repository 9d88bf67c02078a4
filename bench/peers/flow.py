"""The regularized Muon flow of many tiny matrices, as programs with batched calls write it.

Answers the lines of `muonflow bench flow` (src/muonflow/cli/bench/flow.cpp): about, load, after and time. Methods:
torch_svd and numpy_svd (one batched SVD a step), torch_products (eight Polar Express steps on [M, epsilon I]).
"""

import json
import time

import numpy
import torch
from lines import answer_lines
from orthogonalize import by_products, by_svd

def numpy_svd(m, epsilon):
    u, s, vt = numpy.linalg.svd(m, full_matrices=False)
    return (u * (s / numpy.sqrt(s * s + epsilon * epsilon))[:, None, :]) @ vt


class Flow:
    """dW = -grad Phi(M) dt, dM = gamma (G - M) dt with gamma 1 and G of the averaged features tanh <A_k, W>."""

    def __init__(self, method, weights, features, targets, epsilon, step):
        self.numpy = method.startswith("numpy")
        self.velocity = {"torch_svd": by_svd, "torch_products": by_products, "numpy_svd": numpy_svd}[method]
        take = numpy.array if self.numpy else torch.tensor
        self.w = take(weights)
        self.a = take(features.reshape(len(targets), -1))
        self.y = take(targets)
        self.epsilon, self.h = epsilon, step
        self.shape = weights.shape
        self.m = self.force()

    def force(self):
        flat = self.w.reshape(self.shape[0], -1)
        f = (numpy if self.numpy else torch).tanh(flat @ self.a.T)
        r = f.mean(0) - self.y
        return (((1 - f * f) * r) @ self.a).reshape(self.shape)

    def step(self):
        self.m = (1 - self.h) * self.m + self.h * self.force()
        self.w = self.w - self.h * self.velocity(self.m, self.epsilon)


class Peer:
    def __init__(self):
        self.given, self.flows = None, {}

    def load(self, particles, rows, cols, features, epsilon, step, path):
        n, m, k, q = int(particles), int(rows), int(cols), int(features)
        values = numpy.fromfile(path, dtype=numpy.float32)
        weights = values[: n * m * k].reshape(n, m, k)
        a = values[n * m * k : (n + q) * m * k].reshape(q, m, k)
        self.given = weights, a, values[(n + q) * m * k :], float(epsilon), float(step)
        self.flows = {}
        return "ok"

    def after(self, method, steps, path):
        flow = Flow(method, *self.given)
        for _ in range(int(steps)):
            flow.step()
        numpy.asarray(flow.w).tofile(path)
        self.flows[method] = flow
        return "ok"

    def time(self, method, seconds):
        flow, taken, steps = self.flows[method], 0.0, 0
        while steps == 0 or taken < float(seconds):
            begin = time.perf_counter()
            flow.step()
            taken += time.perf_counter() - begin
            steps += 1
        return json.dumps(taken / steps)


def main():
    peer = Peer()
    torch.set_grad_enabled(False)
    answer_lines(load=peer.load, after=peer.after, time=peer.time)


if __name__ == "__main__":
    main()
