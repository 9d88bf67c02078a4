#include "muonflow/optim/transforms/blocking.hpp"

#include <algorithm>
#include <string>

namespace muonflow::optim {
namespace {

constexpr std::uint64_t kOddStride = 0x9e3779b97f4a7c15ULL;  // of the streams of blocks

template <class T>
class BlockedKernel final : public RuleKernel<T> {
 public:
  BlockedKernel(std::unique_ptr<RuleKernel<T>> inner, Index size, bool gives_weights)
      : inner_(std::move(inner)), size_(size), gives_weights_(gives_weights) {}

  std::unique_ptr<RuleState<T>> start(Index rows, Index cols, Rng& rng) const override {
    auto held = std::make_unique<Held>();
    held->rows = rows;
    held->cols = cols;
    each(rows, cols, [&](const Block& b, std::size_t) {
      Rng own = stream_of(rng, b.index);
      held->blocks.push_back(inner_->start(b.rows, b.cols, b.index == 0 ? rng : own));
    });
    return held;
  }

  StepResult step(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const override {
    auto& held = static_cast<Held&>(state);
    StepResult all;
    all.skip = true;
    each(held.rows, held.cols, [&](const Block& b, std::size_t k) {
      if (!all.outcome.ok()) return;
      Rng own = stream_of(at.rng, b.index);
      const StepContext<T> part{at.W.block(b.row, b.col, b.rows, b.cols),
                                at.G.block(b.row, b.col, b.rows, b.cols),
                                at.lr,
                                at.scale,
                                at.t,
                                b.index == 0 ? at.rng : own,
                                at.scratch};
      auto d = D.block(b.row, b.col, b.rows, b.cols);
      const StepResult result = inner_->step(part, *held.blocks[k], d);
      if (result.skip) {  // should others not, this one stays
        if (gives_weights_) {
          d = part.W;
        } else {
          d.setZero();
        }
      }
      if (!result.outcome.ok()) all.outcome = result.outcome;
      if (!result.warning.empty()) all.warning = result.warning;
      all.skip = all.skip && result.skip;
    });
    return all;
  }

  void visit(RuleState<T>& state, StateVisitor<T>& visitor) const override {
    auto& held = static_cast<Held&>(state);
    if (held.blocks.size() == 1) {
      inner_->visit(*held.blocks.front(), visitor);
      return;
    }
    each(held.rows, held.cols, [&](const Block& b, std::size_t k) {
      detail::Prefixed<T> part("block." + std::to_string(k), visitor, b.rows, b.cols);
      inner_->visit(*held.blocks[k], part);
    });
  }

  double* momentum() override { return inner_->momentum(); }
  void momenta(std::vector<double*>& all) override { inner_->momenta(all); }

 private:
  struct Held final : RuleState<T> {
    Index rows = 0, cols = 0;
    std::vector<std::unique_ptr<RuleState<T>>> blocks;
  };
  struct Block {
    std::uint64_t index;
    Index row, col, rows, cols;
  };

  template <class F>
  void each(Index rows, Index cols, const F& visit_block) const {
    std::size_t k = 0;
    for (Index r = 0; r < rows; r += size_) {
      for (Index c = 0; c < cols; c += size_, ++k) {
        visit_block(Block{k, r, c, std::min(size_, rows - r), std::min(size_, cols - c)}, k);
      }
    }
  }

  // Block 0 draws what the whole would draw; the others have streams of their own.
  static Rng stream_of(const Rng& rng, std::uint64_t block) {
    return Rng(rng.seed(), rng.stream() + block * kOddStride);
  }

  std::unique_ptr<RuleKernel<T>> inner_;
  Index size_;
  bool gives_weights_;
};

}  // namespace

void Blocking::fields(FieldVisitor& v) {
  v.optional_integer("size", size, {.lo = 1}, "rows and columns of a block; off: the whole matrix");
}

template <class T>
std::unique_ptr<RuleKernel<T>> blocked(std::unique_ptr<RuleKernel<T>> rule, std::int64_t size,
                                       Result result) {
  return std::make_unique<BlockedKernel<T>>(std::move(rule), size, result == Result::weights);
}

template std::unique_ptr<RuleKernel<float>> blocked(std::unique_ptr<RuleKernel<float>>,
                                                    std::int64_t, Result);
template std::unique_ptr<RuleKernel<double>> blocked(std::unique_ptr<RuleKernel<double>>,
                                                     std::int64_t, Result);

}  // namespace muonflow::optim
