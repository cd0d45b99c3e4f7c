#include <gtest/gtest.h>

#include <string_view>

#include "controller/domains/local/supervisor.h"

// The live local domain runs supervisors: this very program, which then behaves as `nelson supervise`.
int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "supervise") return nelson::supervisor_main(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
