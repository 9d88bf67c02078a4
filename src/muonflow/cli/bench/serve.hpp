// This program as the peer of another one of itself: OpenBLAS chooses its kernels when it is
// loaded, so its rivals with other kernels need a process of their own. Speaks the lines of
// remote_peer.hpp on stdin and stdout.
#pragma once

namespace muonflow::cli {

// Until its input ends; returns the exit code.
int serve_rivals();

}  // namespace muonflow::cli
