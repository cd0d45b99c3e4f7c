#include <gtest/gtest.h>

#include "tests/controller/status/served.h"

// This program is also the server that it attacks (served.h).
int main(int argc, char** argv) {
  if (argc > 2 && std::string(argv[1]) == "--serve") return nelson::status_test::serve({argv + 2, argv + argc});
  testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  nelson::status_test::print_costs();
  return result;
}
