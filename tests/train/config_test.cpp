#include "muonflow/train/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "muonflow/core/error.hpp"
#include "tests/train/expect_in.hpp"

namespace muonflow::train {
namespace {

const std::string kText =
    "[run]\nname = \"small\"\n[data]\npath = \"text.txt\"\n[model]\nn_layer = 2\n"
    "[train]\nsteps = 30\nbatch_size = 3\naccumulation = 2\n";

TrainConfig parsed(const std::string& text) {
  return read_config(Config::from_text(text, "run.toml"));
}

std::string message_of(const std::string& text) {
  try {
    parsed(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TrainConfig, ReadsTablesAndKeepsDefaults) {
  const auto config = parsed(kText);
  EXPECT_EQ(config.run.name, "small");
  EXPECT_EQ(config.model.gpt.n_layer, 2);
  EXPECT_EQ(config.train.steps, 30);
  EXPECT_EQ(config.train.eval_batches, TrainOptions{}.eval_batches);
  EXPECT_EQ(config.block_size(), config.model.gpt.block_size);
  EXPECT_EQ(config.tokens_per_step(), 3 * 2 * config.model.gpt.block_size);
}

TEST(TrainConfig, ResolvedTomlReadsBackAsTheSame) {
  auto config = parsed(kText + "[optimizer]\nhidden = { lr = 0.0123 }\n[sample]\ntop_k = 5\n");
  config.sample.prompt = "a \"quoted\"\nprompt";
  config.data.block_size = 17;
  const auto again = parsed(to_toml(config));
  EXPECT_TRUE(differing_keys(config, again).empty());
  EXPECT_EQ(again.optimizer.hidden.lr, 0.0123);
  EXPECT_EQ(again.sample.prompt, config.sample.prompt);
}

TEST(TrainConfig, TransferNamesABaseModel) {
  const auto text = kText + "[transfer]\nbase_width = 64\nbase_depth = 8\n";
  const auto config = parsed(text + "weight_decay = \"constant\"\n");
  const auto base = config.base_model();
  ASSERT_TRUE(base.has_value());
  EXPECT_EQ(base->n_embd, 64);
  EXPECT_EQ(base->n_layer, 8);
  EXPECT_EQ(base->n_embd / base->n_head, config.model.gpt.n_embd / config.model.gpt.n_head);
  EXPECT_EQ(config.routing().transfer.weight_decay, optim::DecayTransfer::constant);
  EXPECT_FALSE(parsed(kText).base_model().has_value());
  const auto message = message_of(kText + "[transfer]\nbase_width = 60\n");
  expect_in("run.toml:12: transfer.base_width", message);
  expect_in("a multiple of model.n_embd / model.n_head = 32", message);
  EXPECT_FALSE(may_change_on_resume("transfer.base_width"));
}

TEST(TrainConfig, UnknownKeyNamesTheNearestAndItsLine) {
  const auto message = message_of(kText + "evaluate_every = 3\n");
  expect_in("run.toml:11", message);
  expect_in("eval_every", message);
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(TrainConfig, RefusesWhatCannotBe) {
  expect_in("run.name", message_of("[run]\nname = \"a/b\"\n[data]\npath = \"x\"\n"));
  expect_in("data list", message_of("[train]\nsteps = 3\n"));
  expect_in("own validation", message_of("[data]\nname = \"austen\"\nvalidation = \"x.txt\"\n"));
  expect_in("divisor of model.n_embd = 128",
            message_of("[data]\npath = \"x\"\n[model]\nn_head = 3\n"));
  expect_in("at most model.block_size = 256",
            message_of("[data]\npath = \"x\"\nblock_size = 257\n"));
  expect_in("byte 195", message_of("[data]\npath = \"x\"\n[model]\nvocab_size = 128\n[sample]\n"
                                   "prompt = \"\u00e9\"\n"));
  expect_in("an empty text", message_of("[data]\npath = \"x\"\n[sample]\nprompt = \"\"\n"));
  expect_in("skip, stop", message_of(kText + "non_finite = \"ignore\"\n"));
}

TEST(TrainConfig, DifferencesAreNamedByKey) {
  const auto a = parsed(kText);
  auto b = a;
  EXPECT_TRUE(differing_keys(a, b).empty());
  b.train.steps = 60;
  b.model.gpt.n_embd = 64;
  b.optimizer.preset = "adamw";
  EXPECT_EQ(differing_keys(a, b),
            (std::vector<std::string>{"model.n_embd", "optimizer.preset", "train.steps"}));
}

TEST(TrainConfig, OnlyWhatLeavesTheRunTheSameMayChangeOnResume) {
  for (const char* key : {"train.steps", "run.threads", "train.eval_every", "sample.length"}) {
    EXPECT_TRUE(may_change_on_resume(key)) << key;
  }
  for (const char* key : {"model.n_layer", "optimizer.preset", "train.batch_size", "run.seed",
                          "run.dtype", "schedule.kind", "train.eval_batches"}) {
    EXPECT_FALSE(may_change_on_resume(key)) << key;
  }
  // Every key that may change is one that exists.
  const auto fields = describe<TrainConfig>();
  const auto known = [&](const std::string& key) {
    return std::any_of(fields.begin(), fields.end(), [&](const auto& f) { return f.name == key; });
  };
  EXPECT_TRUE(known("train.log_every") && known("train.keep") && known("train.max_skips"));
  EXPECT_TRUE(known("train.non_finite") && known("train.checkpoint_every"));
}

}  // namespace
}  // namespace muonflow::train
