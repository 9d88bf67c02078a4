// Real data as labelled vectors, for objectives that fit a function: X [n, inputs] and labels [n].
//
// How wide a vector is is the user's choice within what the set offers, since it is the width of
// the particles. Numbers are centred and of order 1. Nothing is downloaded here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "muonflow/core/registry.hpp"
#include "muonflow/core/tensor.hpp"

namespace muonflow::data {

struct SampleRequest {
  std::int64_t samples = 1000;
  std::int64_t inputs = 49;
  std::string place = "inputs";  // where the width was asked for, for messages
};

struct SampleEntry {
  std::string name;
  std::string summary;
  std::string licence;
  std::string obtain;     // the shell command that obtains it; DIR is the reader's choice
  std::string corpus;     // the text of datasets.hpp that it is made from, if any
  std::int64_t most = 0;  // samples
  // The tensors `X` (float32) and `labels` (int64). `from` is a file or folder, empty for the
  // installed package.
  TensorMap (*read)(const SampleRequest&, const std::filesystem::path& from) = nullptr;
};

const Registry<SampleEntry>& sample_sets();

// Throws ConfigError (unknown name, a width that the set cannot have, more samples than it has),
// IoError (absent, with the command that obtains it; damaged), DataError (other data than the name
// stands for).
TensorMap load_samples(const std::string& name, const SampleRequest& request,
                       const std::filesystem::path& from = {});

}  // namespace muonflow::data
