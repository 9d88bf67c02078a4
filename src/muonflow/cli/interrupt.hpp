// Ctrl-C and termination as a flag that long work polls, so that it can save and say how to go on.
#pragma once

namespace muonflow::cli {

// From now on the first SIGINT or SIGTERM sets the flag; a second one ends the process at once.
void catch_interrupts();
bool interrupted();

}  // namespace muonflow::cli
