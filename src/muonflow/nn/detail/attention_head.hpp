// One head of attention on the calling thread: the vector loops behind attention.hpp.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn::detail {

// [time, size] inside a wider matrix.
template <class T>
struct Columns {
  T* data;
  Index row;  // elements between rows
  T* at(Index i) const { return data + i * row; }
};

template <class T>
struct HeadForward {
  Index time, size;
  Columns<const T> q, k, v;
  Columns<T> y;
  T* lse;             // [time]
  T* peak = nullptr;  // [1] receives the largest score; null: not asked for
};

template <class T>
struct HeadBackward {
  Index time, size;
  Columns<const T> q, k, v, y, dy;
  const T* lse;  // [time]
  Columns<T> dq, dk, dv;
};

// Scratch belongs to the calling thread, grows to the largest head seen (2 T hd elements forward,
// 4 T hd backward) and is kept. Threads of the pool live as long as the process.
void run_head(const HeadForward<float>& head);
void run_head(const HeadForward<double>& head);
void run_head(const HeadBackward<float>& head);
void run_head(const HeadBackward<double>& head);

}  // namespace muonflow::nn::detail
