// The program: arguments to commands, errors to one line on stderr and an exit code.
#include <CLI/CLI.hpp>

#include "muonflow/cli/blas_core.hpp"
#include "muonflow/cli/command.hpp"
#include "muonflow/cli/failure.hpp"
#include "muonflow/cli/plan_cache.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/core/version.hpp"

namespace muonflow::cli {
namespace {

// Names a command's arguments to CLI11.
class ParserArguments final : public Arguments {
 public:
  explicit ParserArguments(CLI::App& app) : app_(app) {}

  void positional(std::string_view name, std::string& value, std::string_view doc,
                  bool required) override {
    app_.add_option(std::string(name), value, std::string(doc))->required(required);
  }
  void positionals(std::string_view name, std::vector<std::string>& values, std::string_view doc,
                   bool required) override {
    app_.add_option(std::string(name), values, std::string(doc))->required(required);
  }
  void option(std::string_view name, std::string& value, std::string_view doc,
              bool required) override {
    auto* option = app_.add_option(dashed(name), value, std::string(doc))->required(required);
    if (!value.empty()) option->capture_default_str();
  }
  void option(std::string_view name, std::int64_t& value, std::string_view doc) override {
    app_.add_option(dashed(name), value, std::string(doc))->capture_default_str();
  }
  void option(std::string_view name, double& value, std::string_view doc) override {
    app_.add_option(dashed(name), value, std::string(doc))->capture_default_str();
  }
  void option_with_default(std::string_view name, std::optional<std::string>& value,
                           std::string_view doc) override {
    app_.add_option_function<std::vector<std::string>>(
            dashed(name),
            [&value](const std::vector<std::string>& given) {
              value = given.empty() ? "" : given.front();
            },
            std::string(doc))
        ->expected(0, 1)
        ->type_name("[TEXT]");
  }
  void flag(std::string_view name, bool& value, std::string_view doc) override {
    app_.add_flag(dashed(name), value, std::string(doc));
  }
  void repeated(std::string_view name, std::vector<std::string>& values,
                std::string_view doc) override {
    app_.add_option(dashed(name), values, std::string(doc))
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }

 private:
  static std::string dashed(std::string_view name) {
    std::string hyphens(name);
    for (char& c : hyphens) c = c == '_' ? '-' : c;
    const std::string plain(name);
    return hyphens == plain ? "--" + plain : "--" + hyphens + ",--" + plain;
  }

  CLI::App& app_;
};

// The first word names a command or is an option of the program itself; CLI11's own message for a
// misspelt command does not say what was meant.
void check_command_name(int argc, char** argv) {
  if (argc >= 2 && argv[1][0] != '-') commands().at(argv[1], "muonflow");
}

int run_program(int argc, char** argv) {
  CLI::App app{"Matrix optimizers as damped Hamiltonian flows.", "muonflow"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("muonflow ") + std::string(kVersion));
  app.footer(
      "Example: muonflow list rules\nExit codes: 0 done, 1 the run or a check failed, 2 wrong "
      "usage.");
  std::vector<std::pair<CLI::App*, std::unique_ptr<Command>>> known;
  for (const auto& entry : commands().all()) {
    auto* sub = app.add_subcommand(entry.name, entry.summary);
    sub->footer("Example: " + entry.example);
    auto command = entry.make();
    ParserArguments arguments(*sub);
    command->arguments(arguments);
    known.emplace_back(sub, std::move(command));
  }
  check_command_name(argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::string what = error.what();
    const auto end = what.find('\n');
    return complain(what.substr(0, end) + " (see muonflow --help)", kWrongUsage);
  }
  for (const auto& [sub, command] : known) {
    if (!sub->parsed()) continue;
    use_cached_plan();
    return command->run();
  }
  return kWrongUsage;
}

}  // namespace

Registry<CommandEntry>& commands() {
  static Registry<CommandEntry> registry("command");
  return registry;
}

}  // namespace muonflow::cli

int main(int argc, char** argv) {
  using namespace muonflow;
  try {
    cli::mend_blas_core(argc, argv);
    return cli::run_program(argc, argv);
  } catch (...) {
    const auto failure = cli::current_failure();
    return cli::complain(failure.line, failure.code);
  }
}
