// A rival in a process of its own: input and results travel through files, the turns through lines.
//
//   about THREADS               a JSON object about itself
//   load RUNS NUMBER FILE       "ok"; RUNS as Matrices::runs(), NUMBER is the task's (rivals.hpp),
//                               FILE holds the floats of all matrices
//   time METHOD SECONDS         seconds of one call, over as many calls as make SECONDS
//   save METHOD FILE            "ok"; the results, in the form of the input
//
// Anything else, and whatever it cannot do, is answered by a line that is no JSON.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "muonflow/cli/bench/matrices.hpp"
#include "muonflow/cli/peer_process.hpp"
#include "muonflow/core/fields.hpp"

namespace muonflow::cli {

// Variables to set, or to unset where the value is off.
using Environment = std::vector<std::pair<std::string, std::optional<std::string>>>;

class RemotePeer {
 public:
  RemotePeer(const std::vector<std::string>& arguments, const Environment& environment);
  ~RemotePeer();
  RemotePeer(const RemotePeer&) = delete;
  RemotePeer& operator=(const RemotePeer&) = delete;

  // What the peer says of itself; null where it does not run.
  const Json& about() const;
  bool load(const Matrices& input, double number);
  std::optional<double> time(const std::string& method, double seconds);
  // Fills `result`, which has the shapes of the input.
  bool results(const std::string& method, Matrices& result);

  // What all of these are made of, for other lines than the above: a number asked for, floats given
  // and floats asked for through a file whose name the line ends with.
  std::optional<double> number(const std::string& line);
  bool give(const std::string& line, std::span<const float> values);
  bool ask(const std::string& line, std::span<float> values);

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace muonflow::cli
