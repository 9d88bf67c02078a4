#include "muonflow/linalg/polar/zolotarev.hpp"

#include <algorithm>

namespace muonflow::linalg {
namespace {

OddRational zolotarev_step(double l, std::int64_t at, double closing,
                           const RationalPolar& options) {
  const int left = static_cast<int>(std::max<std::int64_t>(1, 2 - at));
  const std::size_t terms =
      options.terms ? static_cast<std::size_t>(*options.terms) : zolotarev_order(l, left, closing);
  return zolotarev_coefficients(l, terms).rational();
}

}  // namespace

template <class T>
Outcome zolotarev(MatrixRef<T> x, const RationalPolar& options, Workspace<T>& workspace,
                  RationalPolarReport* report) {
  return rational_polar<T>(x, zolotarev_step, options, workspace, report);
}

template Outcome zolotarev<float>(MatrixRef<float>, const RationalPolar&, Workspace<float>&,
                                  RationalPolarReport*);
template Outcome zolotarev<double>(MatrixRef<double>, const RationalPolar&, Workspace<double>&,
                                   RationalPolarReport*);

}  // namespace muonflow::linalg
