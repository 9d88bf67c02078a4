#include "muonflow/cli/bench/rivals.hpp"

#include <algorithm>
#include <limits>
#include <sstream>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/polar/plain.hpp"
#include "muonflow/linalg/polar/plain_spectral.hpp"

namespace muonflow::cli {
namespace {

// Up to this many elements all threads on one matrix only wait for each other.
constexpr Index kSmall = 64 * 64;

linalg::Scratch& scratch() {
  thread_local linalg::Scratch memory;
  return memory;
}

auto polar_by(linalg::ProductLibrary library) {
  return [library, steps = linalg::jordan_steps(kPolarSteps)](MatrixRef<float> x, double) {
    linalg::plain_steps(x, steps, library, scratch());
  };
}

auto regularized_by(linalg::ProductLibrary library) {
  return [library](MatrixRef<float> x, double epsilon) {
    linalg::plain_regularized_polar(x, epsilon, library, scratch());
  };
}

auto regularized_by(linalg::Decomposition decomposition) {
  return [decomposition](MatrixRef<float> x, double epsilon) {
    if (!linalg::plain_regularized_polar(x, epsilon, decomposition, scratch())) {
      x.setConstant(std::numeric_limits<float>::quiet_NaN());
    }
  };
}

template <class T>
void root_by_eigh(MatrixRef<float> x, double p) {
  if (!linalg::plain_inverse_root<T>(x, p, scratch())) {
    x.setConstant(std::numeric_limits<float>::quiet_NaN());
  }
}

std::vector<Rival> all_rivals(Task task) {
  using linalg::Decomposition;
  using linalg::ProductLibrary;
  const std::string eigen = "Eigen, in a generic x86-64 build (SSE2)";
  if (task == Task::polar) {
    return {
        {"onednn",
         "oneDNN, plain products",
         Peer::onednn,
         task,
         {},
         polar_by(ProductLibrary::onednn)},
        {"openblas",
         "OpenBLAS, plain products",
         Peer::openblas,
         task,
         {},
         polar_by(ProductLibrary::openblas)},
        {"ssyrk",
         "OpenBLAS, ssyrk and ssymm",
         Peer::ssyrk,
         task,
         {},
         polar_by(ProductLibrary::openblas_ssyrk)},
        {"eigen", eigen, Peer::eigen, task, {}, polar_by(ProductLibrary::eigen)},
    };
  }
  if (task == Task::inverse_root) {
    return {
        {"lapack_double", "LAPACK, dsyevd", Peer::lapack, task, {}, root_by_eigh<double>},
        {"lapack", "LAPACK, ssyevd", Peer::lapack, task, {}, root_by_eigh<float>, false},
    };
  }
  return {
      {"lapack_svd", "LAPACK, sgesdd", Peer::lapack, task, {}, regularized_by(Decomposition::svd)},
      {"lapack_eigh",
       "LAPACK, dsyevd of the Gram matrix",
       Peer::lapack,
       task,
       {},
       regularized_by(Decomposition::eigh)},
      {"onednn",
       "oneDNN, 8 Polar Express steps",
       Peer::onednn,
       task,
       {},
       regularized_by(ProductLibrary::onednn)},
      {"openblas",
       "OpenBLAS, 8 Polar Express steps",
       Peer::openblas,
       task,
       {},
       regularized_by(ProductLibrary::openblas)},
  };
}

}  // namespace

Peers peers_named(const std::string& text) {
  constexpr auto& kNames = EnumNames<Peer>::names;
  Peers peers;
  if (text == "none") return peers;
  std::vector<std::string> known(kNames.begin(), kNames.end());
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const auto at = std::find(kNames.begin(), kNames.end(), word);
    if (at == kNames.end() && word != "all") {
      const auto near = nearest_name(word, known);
      throw ConfigError({.place = "--peers",
                         .what = "unknown peer '" + word + "'",
                         .expected = "all, none or some of " + join(known),
                         .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
    }
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (word == "all" || word == kNames[i]) peers.insert(static_cast<Peer>(i));
    }
  }
  return peers;
}

std::vector<Rival> rivals(Task task, const Matrices& matrices) {
  std::vector<Rival> out;
  const auto& shape = matrices.shape(0);
  const bool several = matrices.count() > 1;
  for (auto& rival : all_rivals(task)) {
    if (several) {
      auto other = rival;
      other.key += "_each";
      other.loop = Loop::one_a_thread;
      if (shape.rows * shape.cols > kSmall) {
        other.name += ", one a thread";
        if (rival.peer != Peer::eigen) out.push_back(rival);
      }
      out.push_back(std::move(other));
    } else {
      out.push_back(std::move(rival));
    }
  }
  return out;
}

std::string method_name(const Rival& rival) {
  switch (rival.task) {
    case Task::polar:
      return "polar_" + rival.key;
    case Task::regularized_polar:
      return "regularized_" + rival.key;
    case Task::inverse_root:
      break;
  }
  return "root_" + rival.key;
}

}  // namespace muonflow::cli
