"""Muon's orthogonalization, the regularized polar factor and inverse roots, as PyTorch programs write them.

Answers the lines of `muonflow bench kernels` (src/muonflow/cli/bench/remote_peer.hpp): about, load, time
and save. Methods: muon and muon_bfloat16 (five steps of K. Jordan 2024), svd (the regularized polar factor
by torch.linalg.svd), products (the same by eight Polar Express steps, arXiv:2505.16932, on [x, epsilon I]),
root and root_double (the inverse p-th root of a positive definite matrix by torch.linalg.eigh).
"""

import json
import time

import numpy
import torch

from lines import answer_lines

JORDAN = [(3.4445, -4.7750, 2.0315)] * 5
POLAR_EXPRESS = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
    (1.875, -1.25, 0.375),
]


def orthogonalized(g, steps):
    """[m, n] or a batch [b, m, n]."""
    tall = g.shape[-2] > g.shape[-1]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    addmm = torch.addmm if x.dim() == 2 else torch.baddbmm
    for a, b, c in steps:
        gram = x @ x.mT
        polynomial = addmm(gram, gram, gram, beta=b, alpha=c)
        x = addmm(x, polynomial, x, beta=a)
    return x.mT if tall else x


def by_svd(x, epsilon):
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    return (u * (s / torch.sqrt(s * s + epsilon * epsilon)).unsqueeze(-2)) @ vt


def by_products(x, epsilon):
    tall = x.shape[-2] > x.shape[-1]
    wide = x.mT if tall else x
    small = epsilon * torch.eye(wide.shape[-2], dtype=x.dtype)
    small = small.expand(*wide.shape[:-1], wide.shape[-2])
    y = orthogonalized(torch.cat([wide, small], -1), POLAR_EXPRESS)[..., : wide.shape[-1]]
    return y.mT if tall else y


def inverse_root(c, p):
    values, vectors = torch.linalg.eigh(c)
    weights = torch.where(values > 0, values, torch.inf) ** (-1 / p)
    return (vectors * weights.unsqueeze(-2)) @ vectors.mT


METHODS = {
    "muon": lambda x, _: orthogonalized(x, JORDAN),
    "muon_bfloat16": lambda x, _: orthogonalized(x.bfloat16(), JORDAN).float(),
    "svd": by_svd,
    "products": by_products,
    "root": inverse_root,
    "root_double": lambda c, p: inverse_root(c.double(), p).float(),
}


class Peer:
    def __init__(self):
        self.inputs, self.number = [], 0.0

    def load(self, runs, number, path):
        values = torch.from_numpy(numpy.fromfile(path, dtype=numpy.float32))
        self.inputs, self.number = [], float(number)
        for run in runs.split(","):
            count, rows, cols = (int(part) for part in run.split("x"))
            size = count * rows * cols
            batch, values = values[:size].view(count, rows, cols), values[size:]
            self.inputs.append(batch[0] if count == 1 else batch)
        return "ok"

    def results(self, method):
        return [METHODS[method](x, self.number) for x in self.inputs]

    def time(self, method, seconds):
        taken, calls = 0.0, 0
        while calls == 0 or taken < float(seconds):
            begin = time.perf_counter()
            self.results(method)
            taken += time.perf_counter() - begin
            calls += 1
        return json.dumps(taken / calls)

    def save(self, method, path):
        flat = [result.contiguous().view(-1) for result in self.results(method)]
        torch.cat(flat).numpy().astype(numpy.float32).tofile(path)
        return "ok"


def main():
    torch.set_grad_enabled(False)
    peer = Peer()
    answer_lines(load=peer.load, time=peer.time, save=peer.save)


if __name__ == "__main__":
    main()
