#include <gtest/gtest.h>

#include <string_view>

#include "gitsync/gitsync.h"

// The tests' Git children are this program again.
int main(int count, char** words) {
  if (count > 1 && std::string_view(words[1]) == "git-worker") return nelson::git_worker_main();
  ::testing::InitGoogleTest(&count, words);
  return RUN_ALL_TESTS();
}
