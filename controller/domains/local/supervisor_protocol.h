#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "controller/domains/local/process.h"
#include "controller/domains/local/supervisor_loop.h"
#include "state/model/observed.h"
#include "state/model/result.h"

namespace nelson {

// What a supervisor and the scheduler say to each other over `<stack folder>/control.sock`: lines of JSON. The supervisor speaks first
// (hello), then answers each request with one line. `status`, `count`, `stop` and `watch` mean the same in every version; fields that a
// reader does not know are skipped, and those it misses keep their defaults, so that either side may be the older one.

inline constexpr std::int32_t kSupervisorProtocol = 1;
inline constexpr std::size_t kRequestBytes = 4096;
inline constexpr std::size_t kReplyBytes = 4 << 20;

struct SupervisorHello {
  std::int32_t protocol = 0;
  std::string stack;
  std::uint32_t incarnation = 0;
  std::string document_digest;
};

struct SupervisorRequest {
  enum class Verb { kStatus, kCount, kStop, kWatch };
  Verb verb = Verb::kStatus;
  std::int32_t count = 0;
};

[[nodiscard]] std::string to_line(const SupervisorHello& hello);
[[nodiscard]] std::string to_line(const SupervisorRequest& request);
[[nodiscard]] std::string status_line(const Running& running);
[[nodiscard]] std::string answer_line(const Status& outcome);
[[nodiscard]] Result<SupervisorHello> read_hello(std::string_view line);
/// kInvalid says what is wrong with it.
[[nodiscard]] Result<SupervisorRequest> read_request(std::string_view line);
[[nodiscard]] Result<Running> read_status(std::string_view line);
[[nodiscard]] Status read_answer(std::string_view line);

/// The socket of a stack's folder, listening, its file made anew. The folder's path may be longer than a socket's address can be.
Result<Descriptor> listen_in(const std::string& stack_folder);

/// The scheduler's end. Every call ends within the timeout given to open().
class SupervisorClient {
 public:
  /// Nothing: nobody listens there. kUnavailable: somebody does, but says nothing sensible in time; or it could not be looked.
  static Result<std::optional<SupervisorClient>> open(const std::string& stack_folder, std::chrono::milliseconds timeout);

  [[nodiscard]] const SupervisorHello& hello() const { return hello_; }
  Result<Running> status();
  Status set_count(std::int32_t count);
  Status stop();
  /// From now on the supervisor sends a line at each change; the socket ends when it dies. Gives the socket away.
  Result<Descriptor> watch();

 private:
  SupervisorClient(Descriptor fd, std::chrono::steady_clock::time_point deadline) : fd_(std::move(fd)), deadline_(deadline) {}
  Result<std::string> read_line();
  Result<std::string> ask(const SupervisorRequest& request);

  Descriptor fd_;
  std::chrono::steady_clock::time_point deadline_;
  std::string buffer_;
  SupervisorHello hello_;
};

/// The supervisor's end: at most 64 clients, each with a bounded request and answer; who says nothing for 30 s and does not watch is let go.
class ControlServer {
 public:
  using Clock = std::chrono::steady_clock;
  /// The line that answers the request.
  using Answer = std::function<std::string(const SupervisorRequest&)>;

  ControlServer(EventLoop& loop, Descriptor listener, std::string hello, Answer answer);
  ~ControlServer();

  void tell_watchers();
  /// Lets silent clients go.
  void tick(Clock::time_point now);
  [[nodiscard]] bool has_clients() const { return !clients_.empty(); }

 private:
  struct Client {
    Descriptor fd;
    EventLoop::Ticket ticket = 0;
    std::string in;
    std::string out;
    bool watches = false;
    Clock::time_point heard;
  };

  void accept_all();
  void on_client(std::uint64_t id, std::uint32_t events);
  bool receive(Client& client);
  bool flush(Client& client);
  void drop(std::uint64_t id);

  EventLoop& loop_;
  Descriptor listener_;
  EventLoop::Ticket ticket_ = 0;
  std::string hello_;
  Answer answer_;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, Client> clients_;
};

}  // namespace nelson
