#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "controller/domains/local/process.h"

namespace nelson {

/// Listens to supervisors that were asked to `watch`, in a thread of its own, and calls `changed` when one reports something or dies. Reports
/// that come close together make one call.
class SupervisorWatch {
 public:
  explicit SupervisorWatch(std::function<void()> changed);
  ~SupervisorWatch();
  SupervisorWatch(const SupervisorWatch&) = delete;
  SupervisorWatch& operator=(const SupervisorWatch&) = delete;

  [[nodiscard]] bool watches(const std::string& stack) const;
  void add(const std::string& stack, Descriptor socket);

 private:
  void run();
  bool wait_for_news();

  std::function<void()> changed_;
  Descriptor wake_;
  mutable std::mutex mutex_;
  std::map<std::string, Descriptor> sockets_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace nelson
