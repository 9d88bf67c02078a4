#!/usr/bin/python3
"""Writes options.json, options.in.safetensors and options.out.safetensors: final weights of every
rule under options that differ from its defaults, and of the transforms around rules.

A twin of the catalogue of rules in numpy and float64: equations written down a second time, by
singular values and eigenvalues where the library iterates, and sharing nothing with it. Cases of
public reference implementations stand beside it in manifest.json; here is every option that they
leave at its default.

usage: tests/golden/make_options.py     (numpy; writes beside itself)
"""
import json
import math
import pathlib
import struct

import numpy as np
from numpy.linalg import eig, eigh, norm, qr, solve, svd

STEPS = 7
SHAPES = {"wide": (5, 9), "tall": (9, 5), "square": (6, 6)}
ALL = list(SHAPES)
LR = 0.03
RANK_FRACTION = 0.5  # of dion, whose first basis is in the file

# ---- Polar factors ----

JORDAN = (3.4445, -4.7750, 2.0315)
YOU = [(4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037),
       (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012)]
CLASSIC = (1.875, -1.25, 0.375)
TURBO = [(4.6051, -9.6552, 5.6769), (4.7505, -6.0861, 2.1790), (2.7763, -2.3190, 0.5523),
         (2.4231, -2.2861, 0.8193)]
POLAR_EXPRESS = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248)]
POLAR_EXPRESS_DION = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323)]


def padded(table, steps, last):
    return [table[i] if i < len(table) else last for i in range(steps)]


def cans(steps):
    low, high, table = 1e-3, 1.0, []
    for _ in range(steps):
        mean = (low * low + low * high + high * high) / 3
        k, c = 2 * mean**1.5, low * high * (low + high)
        table.append((6 / (k + c) * mean, -2 / (k + c), 0))
        delta = (k - c) / (k + c)
        low, high = 1 - delta, 1 + delta
    return table


def coefficients(method, steps):
    if method == "jordan":
        return [JORDAN] * steps
    if method == "you":
        return padded(YOU, steps, YOU[-1])
    if method == "turbo":
        return padded(TURBO, steps, TURBO[-1])
    if method == "polar_express.dion":
        return padded(POLAR_EXPRESS_DION, steps, CLASSIC)
    if method == "cans":
        return cans(steps)
    if method == "classic":
        return [CLASSIC] * steps
    table = padded(POLAR_EXPRESS, steps, CLASSIC)
    if method == "polar_express.paper":  # safety on all but the last executed step
        safe = [(a / 1.01, b / 1.01**3, c / 1.01**5) for a, b, c in table]
        table = safe[:-1] + table[-1:]
    return table


def exact_polar(x):
    u, _, vt = svd(x, full_matrices=False)
    return u @ vt


def polar(x, polar="jordan", ns_steps=None, eps=1e-7, eps_mode="add", **_):
    if polar in ("svd", "qdwh", "zolotarev"):
        return exact_polar(x)
    tall = x.shape[0] > x.shape[1]
    size = norm(x)
    x = x.T if tall else x
    if polar == "turbo":
        x = x / np.sqrt(np.abs(x @ x.T).sum(axis=1, keepdims=True))
    elif polar == "polar_express.dion":
        x = x / (1.02 * size + eps)
    else:
        x = x / (size + eps if eps_mode == "add" else max(size, eps))
    for a, b, c in coefficients(polar, ns_steps or (4 if polar == "turbo" else 5)):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


# ---- Rules: direction(state, G, W, options, lr, t) ----


def average(s, g, momentum, nesterov=False, form="ema"):
    new = 1 - momentum if form == "ema" else 1
    s["M"] = momentum * s.get("M", 0 * g) + new * g
    return new * g + momentum * s["M"] if nesterov else s["M"]


def of_rms(d, rms=0.2):
    return d * rms * math.sqrt(d.size) / norm(d)


def sgd(s, g, w, lr, t, momentum=0, dampening=0, nesterov=False):
    if momentum == 0:
        return g
    s["M"] = momentum * s["M"] + (1 - dampening) * g if "M" in s else g
    return g + momentum * s["M"] if nesterov else s["M"]


def normalized_sgd(s, g, w, lr, t, momentum=0.95, eps=1e-12):
    m = average(s, g, momentum)
    return m / (norm(m) + eps)


def signum(s, g, w, lr, t, momentum=0.95, nesterov=False):
    return np.sign(average(s, g, momentum, nesterov))


def lion(s, g, w, lr, t, betas=(0.9, 0.99)):
    m = s.get("M", 0 * g)
    s["M"] = betas[1] * m + (1 - betas[1]) * g
    return np.sign(betas[0] * m + (1 - betas[0]) * g)


def adamw(s, g, w, lr, t, betas=(0.9, 0.999), eps=1e-8):
    s["m"] = betas[0] * s.get("m", 0 * g) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0 * g) + (1 - betas[1]) * g * g
    m, v = s["m"] / (1 - betas[0]**(t + 1)), s["v"] / (1 - betas[1]**(t + 1))
    return m / (np.sqrt(v) + eps)


def muon(s, g, w, lr, t, momentum=0.95, nesterov=True, momentum_form="ema", **method):
    return polar(average(s, g, momentum, nesterov, momentum_form), **method)


def regularized_muon(s, g, w, lr, t, momentum=0.95, nesterov=False, epsilon=1e-2,
                     epsilon_mode="absolute"):
    q = average(s, g, momentum, nesterov)
    if epsilon_mode == "relative":
        epsilon *= norm(q) / math.sqrt(min(q.shape))
    u, x, vt = svd(q, full_matrices=False)
    return (u * (x / np.sqrt(x * x + epsilon**2))) @ vt


def normuon(s, g, w, lr, t, momentum=0.95, beta2=0.95, eps=1e-10):
    o = polar(average(s, g, momentum, True))
    s["v"] = beta2 * s.get("v", 0) + (1 - beta2) * (o * o).mean(axis=1, keepdims=True)
    even = o / (np.sqrt(s["v"]) + eps)
    return even * norm(o) / (norm(even) + eps)


def adamuon(s, g, w, lr, t, momentum=0.95, beta2=0.95, eps=1e-8, sign_input=True):
    m = average(s, g, momentum)
    o = polar(np.sign(m) if sign_input else m)
    s["v"] = beta2 * s.get("v", 0) + (1 - beta2) * o * o
    return of_rms(o / (np.sqrt(s["v"]) + eps))


def dion(s, g, w, lr, t, mu=0.95, rank_fraction=0.25, eps=1e-8):
    s["M"] = s.get("M", 0 * g) + g
    p, _ = qr(s["M"] @ s["Q"])
    r = s["M"].T @ p
    s["M"] = s["M"] - (1 - mu) * p @ r.T
    s["Q"] = r / (norm(r, axis=0) + eps)
    return p @ s["Q"].T


def scion(s, g, w, lr, t, momentum=0.9, norm_="spectral", radius=1, constrained=False):
    d = average(s, g, momentum)
    m, n = d.shape
    step = {"spectral": lambda: math.sqrt(m / n) * polar(d),
            "sign": lambda: np.sign(d) / n,
            "row": lambda: d / (math.sqrt(n) * norm(d, axis=1, keepdims=True) + 1e-8),
            "column": lambda: d / (norm(d, axis=0, keepdims=True) / math.sqrt(m) + 1e-8)}[norm_]()
    # Constrained: W <- (1 - lr) W - lr radius step, of the weights after decay, which is off here.
    return radius * step + (w if constrained else 0)


def polargrad(s, g, w, lr, t, momentum=0.95):
    m = average(s, g, momentum)
    return svd(m, compute_uv=False).sum() * exact_polar(m)


def blocks(shape, size):
    size = size or max(shape)
    return [np.s_[i:i + size, j:j + size] for i in range(0, shape[0], size)
            for j in range(0, shape[1], size)]


def at_text(block):
    return f"{block[0].start}, {block[1].start}"


def inverse_root(a, k, epsilon):
    x, v = eigh(a)
    return (v * (np.maximum(x, 0) + epsilon * x.max())**-k) @ v.T


def shampoo(s, g, w, lr, t, beta1=0.9, beta2=0.95, k=0.25, epsilon=1e-12,
            precondition_frequency=1, grafting="adam", block_size=None, one_sided="none"):
    s["V"] = beta2 * s.get("V", 0) + (1 - beta2) * g * g
    past, seen = 1 - beta1**(t + 1), 1 - beta2**(t + 1)
    m = average(s, g, beta1) / past
    d = np.zeros_like(g)
    for at in blocks(g.shape, block_size):
        own = s.setdefault(at_text(at), {})
        own["L"] = beta2 * own.get("L", 0) + (1 - beta2) * g[at] @ g[at].T
        own["R"] = beta2 * own.get("R", 0) + (1 - beta2) * g[at].T @ g[at]
        if t % precondition_frequency == 0:
            own["roots"] = [inverse_root(own[side] / seen, k, epsilon) for side in "LR"]
        d[at] = m[at] if one_sided == "right" else own["roots"][0] @ m[at]
        d[at] = d[at] if one_sided == "left" else d[at] @ own["roots"][1]
    if grafting == "none":
        return d
    adam = m / (np.sqrt(s["V"] / seen) + 1e-8)
    return d * (norm(adam) if grafting == "adam" else 0.2 * math.sqrt(d.size)) / (norm(d) + 1e-8)


def soap(s, g, w, lr, t, betas=(0.95, 0.95), shampoo_beta=None, eps=1e-8,
         precondition_frequency=10, correct_bias=True, max_precond_dim=10000):
    memory = shampoo_beta or betas[1]
    sides = [side for side in (0, 1) if g.shape[side] <= max_precond_dim]
    if t == 0:
        for side in sides:
            s[side] = (1 - memory) * (g @ g.T if side == 0 else g.T @ g)
            s["Q", side] = eigh(s[side])[1][:, ::-1]
        s["m"], s["v"] = 0 * g, 0 * g
        return None

    def turn(x, back=False):
        for side in sides:
            q = s["Q", side].T if back else s["Q", side]
            x = q.T @ x if side == 0 else x @ q
        return x

    rotated = turn(g)
    s["m"] = betas[0] * s["m"] + (1 - betas[0]) * g
    s["v"] = betas[1] * s["v"] + (1 - betas[1]) * rotated**2
    d = turn(turn(s["m"]) / (np.sqrt(s["v"]) + eps), back=True)
    if correct_bias:
        d = d * math.sqrt(1 - betas[1]**t) / (1 - betas[0]**t)
    for side in sides:
        s[side] = memory * s[side] + (1 - memory) * (g @ g.T if side == 0 else g.T @ g)
        if t % precondition_frequency == 0:
            q = s["Q", side]
            order = np.argsort(np.diag(q.T @ s[side] @ q))[::-1]
            s["v"] = np.take(s["v"], order, axis=side)
            s["Q", side] = qr(s[side] @ q[:, order])[0]
    return d


def asgo(s, g, w, lr, t, momentum=0.9, beta2=0.8, eps=1e-10):
    left = g.shape[0] < g.shape[1]
    m = average(s, g, momentum)
    s["C"] = beta2 * s.get("C", 0) + (1 - beta2) * (g @ g.T if left else g.T @ g)
    u = inverse_root(s["C"], 0.5, 0) @ m if left else m @ inverse_root(s["C"], 0.5, 0)
    return u * 0.2 * math.sqrt(u.size) / max(norm(u), eps)


def dasgo(s, g, w, lr, t, momentum=0.9, beta2=0.95, eps=1e-8):
    m = average(s, g, momentum)
    s["c"] = beta2 * s.get("c", 0) + (1 - beta2) * (g * g).sum(axis=0)
    return of_rms(m / np.sqrt(s["c"] + eps))


def freon(s, g, w, lr, t, c=2 / 3, momentum=0.95, nesterov=True, normalization="covariant",
          floor=1e-7):
    u, x, vt = svd(average(s, g, momentum, nesterov), full_matrices=False)
    kept = x >= floor * x.max()
    f = np.where(kept, x, 1)**(1 - 2 * c) * kept
    q, mu = 2 * (1 - c), 1
    if normalization == "covariant":
        mean = (f * x).sum() / len(x)
        mu = mean**((1 - q) / q) if q > 0 else x.prod()**(1 / len(x))
    elif normalization == "schatten":
        mu = ((x * kept)**q).sum()**((1 - q) / q)
    return mu * (u * f) @ vt


def kaon(s, g, w, lr, t, momentum=0.95, nesterov=True, ns_steps=5, gain=4.1, divisor=1.175,
         eps=1e-12):
    x = average(s, g, momentum, nesterov)
    x = x / (norm(x) + (1 - momentum) * eps)  # eps is that of the sum of gradients
    for _ in range(ns_steps):
        rest = np.eye(len(x)) - x @ x.T
        x = gain * rest @ rest @ x
    return x / divisor


def rotation(x, retraction):
    one = np.eye(len(x))
    if retraction == "taylor2":
        return one + x + x @ x / 2
    if retraction == "cayley":
        return solve(one - x / 2, one + x / 2)
    values, vectors = eig(x)
    return (vectors * np.exp(values) @ np.linalg.inv(vectors)).real


def pion(s, g, w, lr, t, betas=(0.9, 0.95), eps=1e-8, rms=0.2, retraction="taylor2",
         sides="alternating"):
    turns = {}
    for side, skew in (("in", w.T @ g - g.T @ w), ("out", g @ w.T - w @ g.T)):
        s["m", side] = betas[0] * s.get(("m", side), 0) + (1 - betas[0]) * skew
        s["v", side] = betas[1] * s.get(("v", side), 0) + (1 - betas[1]) * skew**2
        turns[side] = -s["m", side] / (np.sqrt(s["v", side]) + eps)
    if sides == "alternating":
        turns["out" if t % 2 == 0 else "in"] *= 0
    size = norm(turns["out"] @ w + w @ turns["in"])
    alpha = lr * rms * math.sqrt(w.size) / (size + 1e-12)
    return rotation(alpha * turns["out"], retraction) @ w @ rotation(alpha * turns["in"],
                                                                     retraction)


def ef_muon(s, g, w, lr, t, momentum=0.9):
    p = lr * average(s, g, momentum) + s.get("E", 0)
    x = svd(p, compute_uv=False)
    d = x.sum() / len(x) * exact_polar(p)
    s["E"] = p - d
    return d


RULES = {f.__name__: f for f in (sgd, normalized_sgd, signum, lion, adamw, muon, regularized_muon,
                                 normuon, adamuon, dion, scion, polargrad, shampoo, soap, asgo,
                                 dasgo, freon, kaon, pion, ef_muon)}
DECAY = {"sgd": "coupled", "soap": "after"}
SCALE = {"muon": "original", "normuon": "original", "dion": "spectral"}

# ---- How a rule is applied ----


def shape_scale(name, m, n):
    return {"none": 1, "original": math.sqrt(max(1, m / n)),
            "match_rms_adamw": 0.2 * math.sqrt(max(m, n)), "spectral": math.sqrt(m / n)}[name]


def schedule_factor(t, kind="constant", warmup=0, floor=0, decay_fraction=0.2):
    if t < warmup:
        return (t + 1) / warmup
    first = max(warmup, STEPS * (1 - decay_fraction)) if kind == "wsd" else warmup
    if kind == "constant" or t < first:
        return 1
    u = (t - first) / (STEPS - first)
    fall = (1 + math.cos(math.pi * u)) / 2 if kind == "cosine" else 1 - u
    return floor + (1 - floor) * fall


def compress(x, compressor="identity", fraction=0.1, rank=4):
    if compressor == "top_k":
        kept = np.argsort(-np.abs(x), axis=None, kind="stable")[:math.ceil(fraction * x.size)]
        out = np.zeros(x.size)
        out[kept] = x.flat[kept]
        return out.reshape(x.shape)
    if compressor == "sign":
        return np.abs(x).mean() * np.where(x >= 0, 1, -1)
    if compressor == "int8":  # fewer than a group's 256 entries here
        step = np.abs(x).max() / 127
        return step * np.round(x / step)
    return x  # identity, and low_rank of full rank


def parts(w, split_sizes=None, num_heads=None):
    rows = split_sizes or [len(w)]
    each = [rows[0] // num_heads] * (len(w) * num_heads // rows[0]) if num_heads else rows
    ends = np.cumsum(each)
    return [slice(end - size, end) for size, end in zip(each, ends)]


def step(rule, options, apply, s, g, w, t, momentum):
    """New weights of one matrix."""
    factor = schedule_factor(t, **apply.get("schedule", {}))
    lr, wd = apply["lr"] * factor, apply.get("weight_decay", 0)
    form = apply.get("decay", DECAY.get(rule, "before"))
    scale = shape_scale(apply.get("adjust_lr", SCALE.get(rule, "none")), *w.shape)
    around = apply.get("transforms", {})
    kept = {"before": 1 - lr * wd, "after": 1 - lr * wd, "coupled": 1, "independent": 1 - factor * wd,
            "corrected": 1 - lr * factor * wd}[form]
    g = g + wd * w if form == "coupled" else g
    if "error_feedback" in around:
        message = {k: v for k, v in around["error_feedback"].items() if k != "on"}
        g = s["E21"] = s.get("E21", 0) + compress(g - s.get("E21", 0 * g), **message)
    options = dict(options, **momentum)
    before = 1 if form == "after" else kept
    if rule == "pion":
        return pion(s, g, before * w, lr, t, **options) * kept / before
    size = around.get("blocking", {}).get("size")
    d = np.zeros_like(w)
    for at in blocks(w.shape, size):
        own = s.setdefault(at_text(at), {}) if size else s
        block = RULES[rule](own, g[at], w[at], lr, t, **options)
        if block is None:
            return w  # soap's first step
        d[at] = block
    if "grafting" in around:
        other = RULES[around["grafting"]["rule"]]
        d = d * norm(other(s.setdefault("graft", {}), g, w, lr, t)) / norm(d)
        scale = 1
    kind = around.get("spectral_normalization", {}).get("kind")
    if kind == "spectral":
        d, scale = d / svd(d, compute_uv=False)[0], shape_scale("spectral", *w.shape)
    elif kind == "rms":
        d, scale = d / np.sqrt((d * d).mean()), 1
    change = d if rule == "ef_muon" else lr * scale * d
    if around.get("cautious", {}).get("decay"):
        return np.where(w * d > 0, kept, 1) * w - change
    return before * w - change if form != "after" else kept * (w - change)


def final_weights(case, start, gradients, basis):
    rule, apply = case["rule"], {}
    options = {}
    ours = ("lr", "weight_decay", "decay", "adjust_lr", "schedule", "transforms", "clip",
            "momentum_warmup", "split_sizes", "num_heads")
    for key, value in case["options"].items():
        (apply if key in ours else options)["norm_" if key == "norm" else key] = value
    clip, warmup = apply.get("clip"), apply.get("momentum_warmup")
    weights = {name: start[name].copy() for name in case["tensors"]}
    states = {name: {} for name in weights}
    for t in range(STEPS):
        together = math.sqrt(sum(norm(gradients[name][t])**2 for name in weights))
        momentum = {}
        if warmup and t < warmup["steps"]:
            own = options.get("momentum", 0.95)
            momentum["momentum"] = warmup["start"] + (own - warmup["start"]) * t / warmup["steps"]
        for name, w in weights.items():
            g = gradients[name][t]
            if clip:
                size = together if clip.get("kind", "global") == "global" else norm(g)
                g = g * min(1, clip["max_norm"] / size)
            for rows in parts(w, apply.get("split_sizes"), apply.get("num_heads")):
                s = states[name].setdefault(rows.start, {"Q": basis[name]})
                w[rows] = step(rule, options, apply, s, g[rows], w[rows], t, momentum)
    return weights


# ---- Cases ----


def cases():
    all_cases = []

    def add(rule, tensors=None, tolerance=1e-9, **options):
        all_cases.append({"rule": rule, "options": dict({"lr": LR}, **options),
                          "tensors": tensors or ALL, "tolerance": tolerance})

    for decay in ("before", "after", "coupled", "independent", "corrected"):
        for rule in ("sgd", "muon", "adamw", "lion", "pion"):
            add(rule, weight_decay=0.1, decay=decay,
                schedule={"kind": "cosine", "warmup": 2, "floor": 0.1})
    for kind in ("constant", "linear", "cosine", "wsd"):
        add("sgd", schedule={"kind": kind, "warmup": 1, "floor": 0.2, "decay_fraction": 0.5})
    for scale in ("none", "original", "match_rms_adamw", "spectral"):
        for rule in ("sgd", "signum", "muon", "regularized_muon", "normuon", "polargrad", "freon",
                     "kaon"):
            add(rule, adjust_lr=scale, tolerance=1e-8)
        add("dion", adjust_lr=scale, rank_fraction=RANK_FRACTION, tolerance=1e-8)
        add("shampoo", adjust_lr=scale, epsilon=1e-3, tolerance=1e-7)

    add("sgd", momentum=0.8)
    add("sgd", momentum=0.9, dampening=0.3)
    add("sgd", momentum=0.9, nesterov=True, weight_decay=0.1)
    add("normalized_sgd", momentum=0.5, eps=0.3)
    add("signum", momentum=0.7, nesterov=True)
    add("lion", betas=[0.5, 0.7])
    add("adamw", betas=[0.5, 0.7], eps=0.01)
    add("adamw", eps=0)
    for method in ("jordan", "you", "polar_express", "polar_express.paper", "polar_express.dion",
                   "turbo", "cans", "classic", "svd", "qdwh", "zolotarev"):
        add("muon", polar=method)
        add("muon", polar=method, ns_steps=8, nesterov=False, momentum_form="sum", momentum=0.8)
    add("muon", eps=0.5)
    add("muon", eps=20, eps_mode="max", momentum_form="sum")
    add("regularized_muon", momentum=0.6, epsilon=0.5)
    add("regularized_muon", epsilon=0.5, epsilon_mode="relative", nesterov=True)
    add("regularized_muon", epsilon=0)
    add("normuon", momentum=0.5, beta2=0.5, eps=0.1)
    add("adamuon", momentum=0.5, beta2=0.5, eps=0.1)
    add("adamuon", sign_input=False)
    add("dion", mu=0.5, eps=0.1, rank_fraction=RANK_FRACTION, tolerance=1e-8)
    for ball in ("spectral", "sign", "row", "column"):
        add("scion", norm=ball)
        add("scion", norm=ball, radius=3, constrained=True, momentum=0.5)
    add("polargrad", momentum=0.5)
    for k in (0.1, 0.25, 0.5):
        for grafting in ("none", "adam", "rms"):
            add("shampoo", k=k, grafting=grafting, precondition_frequency=3, epsilon=1e-3,
                tolerance=1e-7)
    for side in ("left", "right"):
        add("shampoo", one_sided=side, grafting="none", epsilon=1e-3, tolerance=1e-7)
    add("shampoo", beta1=0.5, beta2=0.6, epsilon=1e-3, tolerance=1e-7)
    for grafting in ("none", "adam"):
        add("shampoo", block_size=4, grafting=grafting, epsilon=1e-3, tolerance=1e-7)
    add("soap", tensors=["square"], precondition_frequency=2, tolerance=1e-7)
    add("soap", tensors=["square"], precondition_frequency=1, betas=[0.9, 0.8], shampoo_beta=0.7,
        eps=0.01, correct_bias=False, weight_decay=0.1, tolerance=1e-7)
    add("soap", tensors=["wide", "tall"], max_precond_dim=6, precondition_frequency=3,
        tolerance=1e-7)
    add("asgo", momentum=0.2, beta2=0.5, eps=50, tensors=["square"], tolerance=1e-7)
    add("asgo", beta2=0.9, tolerance=1e-7)
    add("dasgo", momentum=0.2, beta2=0.5, eps=0.3)
    for c in (0, 0.25, 0.5, 2 / 3, 0.75, 1):
        for size in ("covariant", "none", "schatten"):
            if (c, size) != (1, "schatten"):
                add("freon", c=c, normalization=size, tolerance=1e-8)
    add("freon", floor=0.5, nesterov=False, momentum=0.8)
    add("kaon", ns_steps=3, gain=3, divisor=2, nesterov=False, momentum=0.8, eps=0.1)
    for retraction in ("taylor2", "cayley", "exp"):
        for sides in ("both", "alternating"):
            add("pion", retraction=retraction, sides=sides, rms=0.5, betas=[0.8, 0.6], eps=0.01)
    add("ef_muon", momentum=0.5)

    for compressor in ("identity", "top_k", "low_rank", "sign", "int8"):
        message = {"on": True, "compressor": compressor}
        if compressor == "top_k":
            message["fraction"] = 0.4
        if compressor == "low_rank":
            message["rank"] = 6
        add("muon", transforms={"error_feedback": message})
    add("muon", transforms={"blocking": {"size": 4}})
    add("muon", transforms={"grafting": {"rule": "adamw"}}, tolerance=1e-7)
    add("muon", transforms={"spectral_normalization": {"kind": "rms"}}, tolerance=1e-8)
    add("sgd", tolerance=1e-7, transforms={"spectral_normalization": {
        "kind": "spectral", "iterations": 300, "first_iterations": 300}})
    add("signum", weight_decay=0.3, transforms={"cautious": {"decay": True}})
    add("sgd", clip={"max_norm": 5})
    add("sgd", clip={"max_norm": 5, "kind": "tensor"})
    add("signum", momentum_warmup={"start": 0.5, "steps": 4})
    add("muon", tensors=["tall"], split_sizes=[6, 3], num_heads=2)
    add("muon", tensors=["tall"], split_sizes=[4, 3, 2])
    add("muon", tensors=["tall", "square"], num_heads=3)
    return all_cases


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values, dtype="<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    random = np.random.default_rng(3)
    start = {name: random.normal(size=shape) for name, shape in SHAPES.items()}
    gradients = {name: [random.normal(size=shape) * 10.0**random.uniform(-1, 1)
                        for _ in range(STEPS)] for name, shape in SHAPES.items()}
    basis = {name: qr(random.normal(size=(shape[1], math.ceil(RANK_FRACTION * min(shape)))))[0]
             for name, shape in SHAPES.items()}
    inputs, outputs = {}, {}
    for name in SHAPES:
        inputs["w/" + name] = start[name]
        inputs["Q/" + name] = basis[name]
        for t in range(STEPS):
            inputs[f"g/{name}/{t}"] = gradients[name][t]
    listed = cases()
    for number, case in enumerate(listed):
        for name, weights in final_weights(case, start, gradients, basis).items():
            outputs[f"{number}/{name}"] = weights
    here = pathlib.Path(__file__).parent
    write_safetensors(here / "options.in.safetensors", inputs)
    write_safetensors(here / "options.out.safetensors", outputs)
    lines = ",\n".join("  " + json.dumps(case) for case in listed)
    (here / "options.json").write_text(
        f'{{"steps": {STEPS},\n "written by": "make_options.py",\n "cases": [\n{lines}\n]}}\n')
    print(f"{len(listed)} cases")


main()
