#include <gtest/gtest.h>

#include <string_view>

#include "controller/domains/local/supervisor.h"
#include "tests/controller/domains/local/local_world.h"

// The tests run supervisors: this very program, which then behaves as `nelson supervise`.
int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "supervise") return nelson::supervisor_main(argc, argv);
  if (argc > 1 && std::string_view(argv[1]) == "act-as-controller") return nelson::test::act_as_controller(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
