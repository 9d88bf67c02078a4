"""How a peer talks to `muonflow bench`: a line in, "VERB WORD...", one line out, the answer or "error: ..."
(src/muonflow/cli/bench/remote_peer.hpp)."""

import json
import sys

import torch


def loaded_blas():
    """The library that does the products; its folder tells OpenMP from threads of its own."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "blas" in line.split()[-1].lower()}
    return sorted(paths)[0] if paths else ""


def about(threads):
    torch.set_num_threads(int(threads))
    return json.dumps(
        {"torch": torch.__version__, "threads": torch.get_num_threads(), "blas": loaded_blas()}
    )


def answer_lines(**verbs):
    """Each verb is a function of its words and returns the answer; `about` is known already."""
    verbs["about"] = about
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            answer = verbs[verb](*words)
        except Exception as error:  # whatever it is, the other side waits for a line
            answer = "error: " + " ".join(str(error).split())
        print(answer, flush=True)
