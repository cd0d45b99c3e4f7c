// The status server with a fleet of the given size loaded, until standard input ends. Prints its address first.
#include <sys/resource.h>

#include <iostream>

#include "controller/status/server.h"
#include "reconcilers/plan.h"
#include "tests/bench/fleet.h"

int main(int argc, char** argv) {
  using namespace nelson;
  using namespace nelson::bench;
  if (argc < 2) die("usage: bench_status STACKS");
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  ViewInput input;
  input.now = Clock().now();
  const Fleet fleet = make_fleet(static_cast<std::size_t>(std::atoll(argv[1])), input.now);
  input.desired = std::make_shared<const Desired>(fleet.desired);
  input.observed = fleet.observed;
  input.plan = plan(fleet.desired, fleet.observed, input.now);
  input.pass = 1;
  input.version = "bench";
  input.started = input.now;
  StatusOptions options;
  options.listen = "127.0.0.1:0";
  options.max_connections = 16'384;
  auto server = StatusServer::open(options);
  if (!server) die(server.error().message);
  std::shared_ptr<const View> view;
  const double first = timed([&] { view = build_view(input); });
  const double again = timed([&] { view = build_view(input, view); });
  Line().add("view_ms", first).add("view_again_ms", again);
  (*server)->publish(view);
  std::cout << (*server)->address() << std::endl;
  while (std::cin.get() != std::char_traits<char>::eof()) {
  }
}
