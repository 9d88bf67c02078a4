// Debian's OpenBLAS runs its oldest kernels on processors it does not know, at a tenth of the
// speed; the program mends that for itself, since the library cannot: OpenBLAS chooses its kernels
// while it is loaded.
#pragma once

namespace muonflow::cli {

// Runs the program again with OPENBLAS_CORETYPE=SkylakeX where all of this holds: the variable is
// unset (a value that is set may guard against kernels that compute wrong results), the processor
// is an Intel one with AVX-512, and OpenBLAS chose kernels without AVX. The second run checks a
// product and an eigendecomposition against plain loops and goes back to the choice of OpenBLAS
// where they differ. Does nothing for commands that compute nothing (list, --help).
void mend_blas_core(int argc, char** argv);

}  // namespace muonflow::cli
