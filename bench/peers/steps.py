"""Steps of optimizers on given gradients, as PyTorch programs take them.

Answers the lines of `muonflow bench steps` (src/muonflow/cli/bench/remote_peer.hpp): about, load, start, time
and state. Methods: torch.optim.SGD and AdamW (for-loop and foreach), Muon (K. Jordan 2024) and SOAP
(arXiv:2409.11321), the latter two written from their equations; what they do not take is AdamW's.
"""

import json
import math
import time

import numpy
import torch

from lines import answer_lines

LR = 1e-3
DECAY = 0.01  # of AdamW
ALIGNED = 16  # every tensor begins at a multiple of so many floats
DRAWS = 8  # different gradients before they repeat
START = 3  # steps before any that is timed


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalized by five quintic steps, in float32."""

    def __init__(self, parameters, lr, momentum=0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @staticmethod
    def orthogonalized(g):
        tall = g.shape[0] > g.shape[1]
        x = g.t() if tall else g
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            a = x @ x.t()
            b = torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315)
            x = torch.addmm(x, b, x, beta=3.4445)
        return x.t() if tall else x

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            momentum = group["momentum"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                m = state["momentum_buffer"]
                m.lerp_(p.grad, 1 - momentum)
                d = self.orthogonalized(p.grad.lerp(m, momentum))
                p.add_(d, alpha=-group["lr"] * math.sqrt(max(1, p.shape[0] / p.shape[1])))


class Soap(torch.optim.Optimizer):
    """Adam in the eigenbases of both Gram averages, which are refreshed every tenth step."""

    def __init__(self, parameters, lr, betas=(0.95, 0.95), eps=1e-8, frequency=10):
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "frequency": frequency})

    @staticmethod
    def average(state, g, beta):
        state["L"].addmm_(g, g.t(), beta=beta, alpha=1 - beta)
        state["R"].addmm_(g.t(), g, beta=beta, alpha=1 - beta)

    def begin(self, state, g, beta):
        """The first gradient gives the bases and no step."""
        rows, cols = g.shape
        state["step"] = 0
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(g), torch.zeros_like(g)
        state["L"], state["R"] = g.new_zeros(rows, rows), g.new_zeros(cols, cols)
        self.average(state, g, beta)
        for side in ("L", "R"):
            state["Q" + side] = torch.linalg.eigh(state[side])[1].flip(1).contiguous()

    @staticmethod
    def refresh(state):
        """One power step from the old bases, sorted by what they see."""
        m = state["QL"] @ state["exp_avg"] @ state["QR"].t()
        for dimension, side in enumerate(("L", "R")):
            q = state["Q" + side]
            turned = state[side] @ q
            order = torch.argsort((q * turned).sum(0), descending=True)
            state["exp_avg_sq"] = state["exp_avg_sq"].index_select(dimension, order)
            state["Q" + side] = torch.linalg.qr(turned[:, order])[0]
        state["exp_avg"] = state["QL"].t() @ m @ state["QR"]

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state, g = self.state[p], p.grad
                if not state:
                    self.begin(state, g, beta2)
                    continue
                state["step"] += 1
                t = state["step"]
                turned = state["QL"].t() @ g @ state["QR"]
                m, v = state["exp_avg"], state["exp_avg_sq"]
                m.lerp_(turned, 1 - beta1)
                v.mul_(beta2).addcmul_(turned, turned, value=1 - beta2)
                d = state["QL"] @ (m / (v.sqrt() + group["eps"])) @ state["QR"].t()
                p.add_(d, alpha=-group["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t))
                self.average(state, g, beta2)
                if t % group["frequency"] == 0:
                    self.refresh(state)


def adamw(parameters, foreach):
    return torch.optim.AdamW(parameters, lr=LR, weight_decay=DECAY, foreach=foreach)


def sgd(parameters, foreach):
    return torch.optim.SGD(parameters, lr=LR, momentum=0.9, foreach=foreach)


# (matrices, others) -> the optimizers that share them.
METHODS = {
    "sgd": lambda matrices, others: [sgd(matrices + others, False)],
    "sgd_foreach": lambda matrices, others: [sgd(matrices + others, True)],
    "adamw": lambda matrices, others: [adamw(matrices + others, False)],
    "adamw_foreach": lambda matrices, others: [adamw(matrices + others, True)],
    "muon": lambda matrices, others: [Muon(matrices, LR), adamw(others, True)],
    "soap": lambda matrices, others: [Soap(matrices, LR), adamw(others, True)],
}
CYCLES = {"soap": 10}  # steps of which one is not like the others


class Trainee:
    """A list of tensors with optimizers of its own."""

    def __init__(self, method, shapes, matrices, shift, pool):
        self.shift, self.pool, self.steps = shift, pool, 0
        self.parameters, self.offsets, offset = [], [], 0
        for shape in shapes:
            size = math.prod(shape)
            at = offset + DRAWS * shift
            start = 0.02 * pool[at : at + size].view(shape)
            self.parameters.append(torch.nn.Parameter(start))
            self.offsets.append(offset)
            offset += -(-size // ALIGNED) * ALIGNED
        self.rules = METHODS[method](self.parameters[:matrices], self.parameters[matrices:])
        self.cycle = CYCLES.get(method, 1)

    def step(self):
        draw = self.steps % DRAWS * self.shift
        for p, offset in zip(self.parameters, self.offsets):
            at = offset + draw
            p.grad = self.pool[at : at + p.numel()].view(p.shape)
        begin = time.perf_counter()
        for rule in self.rules:
            rule.step()
        self.steps += 1
        return time.perf_counter() - begin

    def state_bytes(self):
        kept = (s for rule in self.rules for state in rule.state.values() for s in state.values())
        # A counter of one number is no state of a tensor.
        return sum(s.numel() * s.element_size() for s in kept if torch.is_tensor(s) and s.dim() > 0)


class Peer:
    def __init__(self):
        self.given, self.trainees = None, {}

    def load(self, shapes, matrices, shift, path):
        self.trainees = {}
        sizes = [tuple(int(n) for n in shape.split("x")) for shape in shapes.split(",")]
        pool = torch.from_numpy(numpy.fromfile(path, dtype=numpy.float32))
        self.given = sizes, int(matrices), int(shift), pool
        return "ok"

    def start(self, method, path):
        trainee = self.trainees[method] = Trainee(method, *self.given)
        for _ in range(START):
            trainee.step()
        flat = [p.detach().reshape(-1) for p in trainee.parameters]
        torch.cat(flat).numpy().tofile(path)
        return "ok"

    def time(self, method, seconds):
        trainee, taken, steps = self.trainees[method], 0.0, 0
        while steps == 0 or taken < float(seconds):
            taken += sum(trainee.step() for _ in range(trainee.cycle))
            steps += trainee.cycle
        return json.dumps(taken / steps)

    def state(self, method):
        return json.dumps(self.trainees[method].state_bytes())


def main():
    peer = Peer()
    answer_lines(load=peer.load, start=peer.start, time=peer.time, state=peer.state)


if __name__ == "__main__":
    main()
