#include "muonflow/cli/bench/flow_ranks.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "muonflow/cli/bench/timing.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/dist/communicator.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kParticles = 20000;
// 100 steps, some 5 s of one thread; recorded at both ends.
constexpr const char* kConfig =
    "[run]\ndtype = \"float32\"\n[particles]\ncount = {}\nshape = [16, 16]\n"
    "[integrator]\nkind = \"muon\"\nstep = 1e-3\nend_time = 0.1\n"
    "[record]\nevery = 0.1\nspectra = false\n";

// Seconds of the steps and their records, as the run's summary says; off: it failed.
std::optional<double> run(const fs::path& folder, int ranks) {
  const auto out = folder / "run";
  fs::remove_all(out);
  std::string command;
  if (ranks > 1) {
    // mpirun wants to be asked twice before it runs as root, as in a container.
    if (::geteuid() == 0) {
      command += "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ";
    }
    command += fmt::format("mpirun -n {} ", ranks);
  }
  command += fmt::format("'{}' flow '{}' --threads 1 --out '{}' >'{}' 2>&1",
                         fs::read_symlink("/proc/self/exe").string(),
                         (folder / "flow.toml").string(), out.string(), (folder / "log").string());
  if (std::system(command.c_str()) != 0) return std::nullopt;
  const auto summary = Json::parse(read_text_file(out / "summary.json"), nullptr, false);
  if (!summary.is_object() || !summary.contains("wall_seconds")) return std::nullopt;
  return summary["wall_seconds"].get<double>();
}

}  // namespace

std::optional<Json> compare_ranks(std::int64_t rounds, std::FILE* text) {
  const auto skip = [&](const char* why) {
    fmt::print(text, "two ranks: skipped, {}\n", why);
    return std::nullopt;
  };
  if (dist::mpi_version().empty()) return skip("this program was built without MPI");
  if (available_processors() < 2) return skip("there is one processor");
  if (std::system("command -v mpirun >/dev/null 2>&1") != 0) return skip("there is no mpirun");
  auto name = (fs::temp_directory_path() / "muonflow-ranks-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return skip("no folder for the runs can be made");
  const fs::path folder = name;
  const auto config = fmt::format(kConfig, kParticles);
  write_file(folder / "flow.toml", std::string_view(config));
  std::vector<Contender> contenders{{.name = "one rank", .turn = [&] { return run(folder, 1); }},
                                    {.name = "two ranks", .turn = [&] { return run(folder, 2); }}};
  take_turns(contenders, {.rounds = rounds, .budget = 30});
  fs::remove_all(folder);
  const double gain = ratio(contenders[0].samples, contenders[1].samples);
  if (!std::isfinite(gain)) return skip("a run failed");
  fmt::print(text,
             "two ranks of one thread, {} particles of 16x16: {:.2f} times the particle-steps a "
             "second of one\n",
             thousands(static_cast<double>(kParticles)), gain);
  return Json{{"particles", kParticles},
              {"shape", "16x16"},
              {"one", contenders[0].samples},
              {"two", contenders[1].samples},
              {"gain", gain}};
}

}  // namespace muonflow::cli
