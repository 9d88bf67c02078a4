"""The same GPT and the same steps as `muonflow bench training`, in PyTorch.

Reads one JSON line with the sizes, answers with one JSON line about itself, then answers each line
"RULE COUNT" (RULE is adamw or muon) with the milliseconds of each of COUNT training steps.
"""

import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads, block_size):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.mlp_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        mask = torch.full((block_size, block_size), float("-inf")).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def attention(self, x):
        batch, time_, width = x.shape
        shape = (batch, time_, self.heads, width // self.heads)
        q, k, v = (part.view(shape).transpose(1, 2) for part in self.c_attn(x).split(width, 2))
        scores = q @ k.transpose(2, 3) * (1.0 / math.sqrt(shape[3]))
        weights = F.softmax(scores + self.mask[:time_, :time_], 3)
        return self.attn_proj((weights @ v).transpose(1, 2).reshape(batch, time_, width))

    def forward(self, x):
        x = x + self.attention(self.ln_1(x))
        hidden = self.c_fc(self.ln_2(x))
        try:
            hidden = F.gelu(hidden, approximate="tanh")
        except TypeError:  # versions before 1.12
            hidden = F.gelu(hidden)
        return x + self.mlp_proj(hidden)


class Gpt(nn.Module):
    def __init__(self, size):
        super().__init__()
        width = size["n_embd"]
        self.wte = nn.Embedding(size["vocab_size"], width)
        self.wpe = nn.Embedding(size["block_size"], width)
        self.blocks = nn.ModuleList(
            Block(width, size["n_head"], size["block_size"]) for _ in range(size["n_layer"])
        )
        self.ln_f = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def loss(self, tokens, targets):
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = self.ln_f(x) @ self.wte.weight.t()
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalized by five quintic steps (K. Jordan 2024), in float32."""

    def __init__(self, parameters, lr=0.02, momentum=0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @staticmethod
    def orthogonalized(g):
        x = g.t() if g.shape[0] > g.shape[1] else g
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            a = x @ x.t()
            b = torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315)
            x = torch.addmm(x, b, x, beta=3.4445)
        return x.t() if g.shape[0] > g.shape[1] else x

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            momentum = group["momentum"]
            for p in group["params"]:
                m = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - momentum)
                d = self.orthogonalized(p.grad.lerp(m, momentum))
                p.add_(d, alpha=-group["lr"] * math.sqrt(max(1, p.shape[0] / p.shape[1])))


def optimizers(model, rule):
    if rule == "adamw":
        return [torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=True)]
    hidden = [p for p in model.blocks.parameters() if p.dim() == 2]
    chosen = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [Muon(hidden, lr=1e-3), torch.optim.AdamW(rest, lr=1e-4, foreach=True)]


def loaded_blas():
    """The library that does the products; its folder tells OpenMP from threads of its own."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "blas" in line.split()[-1].lower()}
    return sorted(paths)[0] if paths else ""


def main():
    size = json.loads(sys.stdin.readline())
    torch.set_num_threads(size["threads"])
    torch.manual_seed(0)
    contenders = {}
    for rule in ("adamw", "muon"):
        model = Gpt(size)
        contenders[rule] = (model, optimizers(model, rule))
    shape = (size["batch"], size["block_size"])
    tokens = torch.randint(size["vocab_size"], shape)
    targets = torch.randint(size["vocab_size"], shape)
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "blas": loaded_blas()}
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        rule, count = line.split()
        model, rules = contenders[rule]
        times = []
        for _ in range(int(count)):
            begin = time.perf_counter()
            for optimizer in rules:
                optimizer.zero_grad(set_to_none=False)
            model.loss(tokens, targets).backward()
            for optimizer in rules:
                optimizer.step()
            times.append(1e3 * (time.perf_counter() - begin))
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
