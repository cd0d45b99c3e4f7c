#pragma once

#include <string>

#include "controller/domains/haproxy/layout.h"

namespace nelson::haproxy {

/// A configuration as it was last known to be in force.
struct InForce {
  Table table;
  std::string digest;
};

/// What lies beside the configuration, in our folder: the routes each digest stands for, and the weights.
class Kept {
 public:
  explicit Kept(std::string folder) : folder_(std::move(folder)) {}

  /// The routes that the configuration of this digest was made from, with the weights of their maps; empty when they are not known.
  [[nodiscard]] InForce load(const std::string& digest) const;

  [[nodiscard]] Status save(const InForce& what) const;
  [[nodiscard]] Status save_weights(const Route& route) const;

  /// Removes what belongs to neither the configuration in force nor to a route that is wanted.
  void sweep(const std::string& digest, const Table& wanted) const;

 private:
  [[nodiscard]] std::string path_of(const std::string& digest) const { return folder_ + "/routes/" + digest + ".json"; }
  void read_weights_of(Route& route) const;

  std::string folder_;
};

/// Replaces a file of ours whole or not at all. Not synced: after a loss of power no HAProxy runs, and every route is served anew.
[[nodiscard]] Status write_file(const std::string& path, std::string_view content);

}  // namespace nelson::haproxy
