#pragma once

#include <map>
#include <string>
#include <vector>

#include "state/database.h"

namespace nelson {

/// Since when something is shown; the value under the digest or text of its name.
struct Subject {
  std::string name;
  Instant since{};

  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("since", self.since);
  }
};

/// Remembers for each of a set of subjects when it first was in it. For the writer's thread.
class Subjects {
 public:
  explicit Subjects(Database& database) : database_(database) {}

  /// Store::first_seen.
  Result<std::map<std::string, Instant>> first_seen(const std::vector<std::string>& subjects, Instant now);

 private:
  Status load();

  Database& database_;
  bool loaded_ = false;
  std::map<std::string, Instant> known_;
};

}  // namespace nelson
