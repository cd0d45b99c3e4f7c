#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "gitsync/protocol.h"
#include "gitsync/wire.h"

namespace nelson::git {

using Deadline = std::chrono::steady_clock::time_point;

/// One Git child: the same program as `program git-worker`, started when first asked and again after it ended or was killed. Its
/// environment holds PATH, HOME, LANG and the proxy variables only; it inherits no descriptor but the socket. One thread uses it, and
/// that thread must live as long: the child dies with it.
class Child {
 public:
  /// `stop` is a descriptor that becomes readable when everything must end at once; not owned.
  Child(std::string program, int stop);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Asks and waits. A child that has not answered by `deadline`, or is still listing refs at `list_deadline`, is killed and the failure
  /// is "GitTimeout"; one that dies by its own limits gives a failure that says which.
  template <class Request>
  Reply<typename Request::Answer> ask(const Request& request, Deadline deadline, Deadline list_deadline) {
    std::uint8_t number = 0;
    for_each_request([&number]<class T>(std::uint8_t candidate, T*) {
      if (std::is_same_v<T, Request>) number = candidate;
    });
    wire::Writer writer;
    writer(request);
    Frame answer;
    Failure trouble;
    if (!exchange(number, writer.take(), answer, trouble, deadline, list_deadline)) return trouble;
    wire::Reader reader(answer.payload);
    typename Request::Answer value{};
    reader(value);
    if (!reader.complete()) return broken();
    return value;
  }
  template <class Request>
  Reply<typename Request::Answer> ask(const Request& request, Deadline deadline) {
    return ask(request, deadline, deadline);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// How many were started so far.
  [[nodiscard]] std::uint64_t started() const { return started_; }

 private:
  bool exchange(std::uint8_t number, std::string payload, Frame& answer, Failure& trouble, Deadline deadline,
                Deadline list_deadline);
  Failure broken();
  Status start();
  void end();

  std::string program_;
  int stop_;
  int socket_ = -1;
  std::atomic<pid_t> pid_{-1};
  std::atomic<std::uint64_t> started_{0};
};

}  // namespace nelson::git
