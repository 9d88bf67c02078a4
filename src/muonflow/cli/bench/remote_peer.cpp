#include "muonflow/cli/bench/remote_peer.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/parallel.hpp"

namespace muonflow::cli {

// A folder of its own for the files, gone with the peer.
class ExchangeFolder {
 public:
  ExchangeFolder() {
    auto name = (std::filesystem::temp_directory_path() / "muonflow-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw IoError({.place = name, .what = "no folder for the benchmark's input can be made"});
    }
    path_ = name;
  }
  ~ExchangeFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ExchangeFolder(const ExchangeFolder&) = delete;
  ExchangeFolder& operator=(const ExchangeFolder&) = delete;

  std::filesystem::path file(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct RemotePeer::Body {
  Body(const std::vector<std::string>& arguments, const Environment& environment)
      : process(arguments, environment),
        about(Json::parse(process.ask(fmt::format("about {}", threads())), nullptr, false)) {
    if (!about.is_object()) about = nullptr;
  }

  PeerProcess process;
  Json about;
  ExchangeFolder folder;
};

RemotePeer::RemotePeer(const std::vector<std::string>& arguments, const Environment& environment)
    : body_(std::make_unique<Body>(arguments, environment)) {}
RemotePeer::~RemotePeer() = default;

const Json& RemotePeer::about() const { return body_->about; }

bool RemotePeer::load(const Matrices& input, double number) {
  return give(fmt::format("load {} {:.17g}", input.runs(), number), input.values());
}

std::optional<double> RemotePeer::time(const std::string& method, double seconds) {
  return number(fmt::format("time {} {}", method, seconds));
}

bool RemotePeer::results(const std::string& method, Matrices& result) {
  return ask("save " + method, result.values());
}

std::optional<double> RemotePeer::number(const std::string& line) {
  const auto answer = Json::parse(body_->process.ask(line), nullptr, false);
  if (!answer.is_number()) return std::nullopt;
  return answer.get<double>();
}

bool RemotePeer::give(const std::string& line, std::span<const float> values) {
  const auto file = body_->folder.file("input");
  write_file(file, std::as_bytes(values));
  return body_->process.ask(line + " " + file.string()) == "ok";
}

bool RemotePeer::ask(const std::string& line, std::span<float> values) {
  const auto file = body_->folder.file("result");
  if (body_->process.ask(line + " " + file.string()) != "ok") return false;
  const auto bytes = read_file(file);
  if (bytes.size() != values.size_bytes()) return false;
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return true;
}

}  // namespace muonflow::cli
