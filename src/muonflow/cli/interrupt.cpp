#include "muonflow/cli/interrupt.hpp"

#include <csignal>

namespace muonflow::cli {
namespace {

volatile std::sig_atomic_t interrupt_seen = 0;

void on_signal(int number) {
  interrupt_seen = 1;
  std::signal(number, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() { return interrupt_seen != 0; }

}  // namespace muonflow::cli
