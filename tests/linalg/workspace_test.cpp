#include "muonflow/linalg/workspace.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace muonflow::linalg {
namespace {

TEST(Workspace, MatricesOfOneFrameDoNotOverlap) {
  Workspace<float> workspace;
  Workspace<float>::Frame frame(workspace);
  auto a = frame.matrix(3, 5);
  auto b = frame.matrix(1, 1);
  auto c = frame.matrix<double>(700, 9);  // beyond the first block
  auto d = frame.matrix(2, 2);
  a.setConstant(1);
  b.setConstant(2);
  c.setConstant(3);
  d.setConstant(4);
  EXPECT_EQ(a.sum(), 15);
  EXPECT_EQ(b.sum(), 2);
  EXPECT_EQ(c.sum(), 3 * 6300);
  EXPECT_EQ(d.sum(), 16);
}

TEST(Workspace, EverythingIsAligned) {
  Workspace<double> workspace;
  Workspace<double>::Frame frame(workspace);
  for (const Index size : {1, 3, 1000, 7, 100000}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame.matrix(size, 1).data()) % 64, 0u);
  }
}

void nested_kernel(Workspace<float>& workspace, Index size) {
  Workspace<float>::Frame frame(workspace);
  frame.matrix(size, size).setConstant(-1);
}

TEST(Workspace, ANestedKernelDoesNotTouchItsCaller) {
  Workspace<float> workspace;
  Workspace<float>::Frame frame(workspace);
  auto mine = frame.matrix(10, 10);
  mine.setConstant(7);
  for (const Index size : {1, 10, 300}) nested_kernel(workspace, size);
  auto later = frame.matrix(10, 10);
  later.setConstant(8);
  EXPECT_EQ(mine.sum(), 700);
}

TEST(Workspace, DoesNotGrowOnceWarm) {
  Workspace<double> workspace;
  const auto use = [&] {
    Workspace<double>::Frame frame(workspace);
    auto a = frame.matrix(40, 50);
    a.setZero();
    Workspace<double>::Frame inner(workspace);
    auto b = inner.matrix(60, 70);
    b.setZero();
    return std::pair{a.data(), b.data()};
  };
  use();
  const auto first = use();
  const auto capacity = workspace.capacity();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(use(), first);  // the very same memory
  EXPECT_EQ(workspace.capacity(), capacity);
}

TEST(Workspace, EmptyMatricesAreFine) {
  Workspace<float> workspace;
  Workspace<float>::Frame frame(workspace);
  EXPECT_EQ(frame.matrix(0, 5).size(), 0);
  EXPECT_EQ(frame.values(0).size(), 0u);
}

}  // namespace
}  // namespace muonflow::linalg
