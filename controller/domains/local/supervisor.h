#pragma once

namespace nelson {

/// The hidden command `nelson supervise <domain folder>/stacks/<stack> [--lock-fd N] [--listen-fd N]`; `argv` is main()'s own, argv[1]
/// is "supervise". Runs the stack until it is told to stop, then removes the stack's folder. Returns the process's exit status:
/// 0 ended as asked, 1 cannot run (the reason is in the stack's supervisor.log), 64 wrong arguments, 75 another supervisor of this
/// stack lives.
int supervisor_main(int argc, char** argv);

}  // namespace nelson
