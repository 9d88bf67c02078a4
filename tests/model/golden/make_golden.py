#!/usr/bin/python3
"""Writes the golden files of this folder: loss, logits and gradients of tiny GPTs by PyTorch's autograd in float64.

Needs Debian's python3-torch and python3-numpy; run it as ./make_golden.py in this folder. The architecture is written out
here in plain tensor operations, so that what the C++ layers are compared with can be read in one screen. Each file
NAME.safetensors holds w/PARAMETER, b/tokens, b/targets and the results loss, logits, g/PARAMETER; its metadata the options.
"""
import json
import math
import struct

import numpy as np
import torch
import torch.nn.functional as F

CASES = {
    # Longer than one block of 64 keys, and not a multiple of it.
    "tied_tanh_bias": dict(n_layer=2, n_head=2, n_embd=8, block_size=72, vocab_size=13, bias=True, tied=True,
                           activation="gelu_tanh", batch=1, time=70),
    "untied_erf_plain": dict(n_layer=2, n_head=3, n_embd=12, block_size=8, vocab_size=11, bias=False, tied=False,
                             activation="gelu_erf", batch=3, time=5),
    # A head wider than one vector, and a time below the block size.
    "tied_erf_bias": dict(n_layer=1, n_head=1, n_embd=20, block_size=6, vocab_size=7, bias=True, tied=True,
                          activation="gelu_erf", batch=2, time=3),
}


def parameter_shapes(o):
    c, v = o["n_embd"], o["vocab_size"]
    shapes = {"transformer.wte.weight": (v, c), "transformer.wpe.weight": (o["block_size"], c)}
    for i in range(o["n_layer"]):
        h = f"transformer.h.{i}."
        for name, shape in [("ln_1", (c,)), ("attn.c_attn", (3 * c, c)), ("attn.c_proj", (c, c)), ("ln_2", (c,)),
                            ("mlp.c_fc", (4 * c, c)), ("mlp.c_proj", (c, 4 * c))]:
            shapes[h + name + ".weight"] = shape
            if o["bias"]:
                shapes[h + name + ".bias"] = (shape[0],)
    shapes["transformer.ln_f.weight"] = (c,)
    if o["bias"]:
        shapes["transformer.ln_f.bias"] = (c,)
    if not o["tied"]:
        shapes["lm_head.weight"] = (v, c)
    return shapes


def draw(name, shape, generator):
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    if len(shape) == 2:
        return 0.3 * values
    return 1 + 0.2 * values if ".ln_" in name and name.endswith("weight") else 0.1 * values


def logits_of(w, tokens, o):
    batch, time = tokens.shape
    c, heads = o["n_embd"], o["n_head"]

    def norm(x, name):
        return F.layer_norm(x, (c,), w[name + ".weight"], w.get(name + ".bias"), eps=1e-5)

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    def split(x):
        return x.view(batch, time, heads, c // heads).transpose(1, 2)

    future = torch.triu(torch.ones(time, time, dtype=torch.bool), diagonal=1)
    x = w["transformer.wte.weight"][tokens] + w["transformer.wpe.weight"][:time]
    for i in range(o["n_layer"]):
        h = f"transformer.h.{i}."
        q, k, v = (split(part) for part in linear(norm(x, h + "ln_1"), h + "attn.c_attn").chunk(3, dim=2))
        scores = (q @ k.transpose(2, 3)) / math.sqrt(c // heads)
        mixed = scores.masked_fill(future, -math.inf).softmax(dim=3) @ v
        x = x + linear(mixed.transpose(1, 2).reshape(batch, time, c), h + "attn.c_proj")
        hidden = linear(norm(x, h + "ln_2"), h + "mlp.c_fc")
        approximate = "tanh" if o["activation"] == "gelu_tanh" else "none"
        x = x + linear(F.gelu(hidden, approximate=approximate), h + "mlp.c_proj")
    head = w["transformer.wte.weight"] if o["tied"] else w["lm_head.weight"]
    return F.linear(norm(x, "transformer.ln_f"), head)


def write_safetensors(path, tensors, metadata):
    header, blobs, at = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        dtype = {"float64": "F64", "int32": "I32"}[str(array.dtype)]
        blob = array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def main():
    for seed, (name, o) in enumerate(CASES.items()):
        generator = torch.Generator().manual_seed(20240 + seed)
        w = {p: draw(p, shape, generator).requires_grad_() for p, shape in parameter_shapes(o).items()}
        size = (o["batch"], o["time"])
        tokens = torch.randint(o["vocab_size"], size, generator=generator)
        targets = torch.randint(o["vocab_size"], size, generator=generator)
        logits = logits_of(w, tokens, o)
        loss = F.cross_entropy(logits.view(-1, o["vocab_size"]), targets.view(-1))
        loss.backward()
        tensors = {"loss": loss.detach().view(1).numpy(), "logits": logits.detach().numpy(),
                   "b/tokens": tokens.numpy().astype(np.int32), "b/targets": targets.numpy().astype(np.int32)}
        for p, value in w.items():
            tensors["w/" + p] = value.detach().numpy()
            tensors["g/" + p] = value.grad.numpy()
        options = {key: value for key, value in o.items() if key not in ("batch", "time")}
        write_safetensors(name + ".safetensors", tensors, {"options": json.dumps(options), "torch": torch.__version__})
        print(f"{name}: loss {loss.item():.15g}, {sum(v.numel() for v in w.values())} parameters")


if __name__ == "__main__":
    main()
