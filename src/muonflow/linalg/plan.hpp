// How the polynomial kernels go to work on a matrix: chosen by measurement, not by the caller.
//
// A built-in table serves by default. A program may measure its machine once (`calibrate`), keep
// the table in a file of its own and hand it in by `set_plan_table`; the library itself reads and
// writes nothing. Results depend on the table only within the kernels' stated errors; for one table
// they are the same bits for any number of threads. What goes on later with the same bits (a
// checkpoint) must keep the table.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg {

// Who multiplies: the panel kernels (detail/panel_product.hpp), or the library's general products
// on tiles. Iterations that the library engine has not (regularized, AOL) stay with the panels.
enum class Engine { panels, library };

enum class Formulation { automatic, direct, gram };  // see polar/newton_schulz.hpp

struct PlanTable {
  Engine engine = Engine::panels;
  double gram_aspect = 1.25;       // from this ratio of the sides on by Gram matrices
  std::int64_t depth_block = 512;  // of the panel kernels: summands between two additions to memory
  std::string source = "built-in";

  void fields(FieldVisitor& v);
};

// What is done with `batch` matrices [rows, cols] by `threads` threads.
struct Plan {
  Engine engine = Engine::panels;
  Formulation formulation = Formulation::direct;
  Index depth_block = 512;
  bool interleaved = false;           // 16 to a vector: linalg/batched/
  bool matrices_in_parallel = false;  // one matrix a thread, instead of all threads on each
};

Plan plan(Index rows, Index cols, Index batch, int threads);

const PlanTable& plan_table();
// Not while kernels run. Throws ConfigError for values out of range.
void set_plan_table(const PlanTable& table);

// Measures (about two seconds) and returns the table for this machine; the table in force stays.
// `source` of the result is the processor's name. `told` hears one line a measurement.
PlanTable calibrate(const std::function<void(const std::string&)>& told = {});

}  // namespace muonflow::linalg

template <>
struct muonflow::EnumNames<muonflow::linalg::Engine> {
  static constexpr std::array<std::string_view, 2> names{"panels", "library"};
};
template <>
struct muonflow::EnumNames<muonflow::linalg::Formulation> {
  static constexpr std::array<std::string_view, 3> names{"automatic", "direct", "gram"};
};
