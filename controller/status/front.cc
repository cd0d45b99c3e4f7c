#include "controller/status/front.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "controller/status/request.h"
#include "controller/status/sockets.h"

namespace nelson::status {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kWorkers = 2;
constexpr std::size_t kMaxUnread = kMaxHeader + 1024;      // of one connection
constexpr std::size_t kMaxUnreadTotal = 32 * 1024 * 1024;  // of all connections together
constexpr std::size_t kMaxUnsentTotal = 64 * 1024 * 1024;  // answers on their way, likewise
constexpr std::chrono::seconds kLinger(1);                 // for a refused client to read why
constexpr std::size_t kMaxLingerBytes = 256 * 1024;        // and what it may send meanwhile
constexpr std::chrono::seconds kWholeReply(60);            // a reader that takes a byte now and then ends here
constexpr std::size_t kMaxTurn = 1024 * 1024;              // written to one connection before the others have their turn
constexpr std::size_t kMaxAtOnce = 64;                     // newcomers, and those whose time is up, in one turn
constexpr std::uint64_t kListenerTag = ~std::uint64_t{0};
constexpr std::uint64_t kWakeTag = kListenerTag - 1;

std::string refusal_text(int status, std::string_view reason) {
  std::string body(reason);
  body += '\n';
  std::string out = "HTTP/1.1 " + std::to_string(status) + " " + std::string(phrase_of(status)) + "\r\n";
  if (status == 405) out += "Allow: GET, HEAD\r\n";
  out += "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";
  out += "Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n";
  out += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  return out;
}

enum class Phase {
  kFree,     // the slot holds no connection
  kIdle,     // between requests
  kReading,  // a request has begun
  kWorking,  // a worker has the request; nothing is read meanwhile
  kWriting,  // its answer is on the way
  kLinger,   // refused: reading away what still comes, so that the refusal is not lost
};
constexpr std::size_t kPhases = 6;

struct Connection {
  Descriptor fd;
  std::uint32_t life = 0;  // raised when the slot is used again: a late answer finds nobody
  Phase phase = Phase::kFree;
  std::list<std::uint32_t>::iterator place;  // in the queue of its phase
  Clock::time_point since;                   // in this phase, or since it last took a byte of its answer
  Clock::time_point deadline;
  Clock::time_point reply_ends;  // of the answer as a whole
  std::string unread;
  std::size_t searched = 0;
  bool readable = false;  // edge-triggered: true until a read has found nothing
  bool close_after = false;
  Reply reply;
  std::size_t sent = 0;
  std::size_t lingered = 0;
};

struct Job {
  std::uint64_t tag = 0;
  std::string text;
  bool close = false;

  /// Whoever asks whether the process lives ends it when the answer is late, and the answer costs nothing.
  [[nodiscard]] bool urgent() const { return text.starts_with("GET /healthz ") || text.starts_with("GET /readyz "); }
};

struct Done {
  std::uint64_t tag = 0;
  Reply reply;
};

/// What waits for a worker. Bounded by the number of connections, each of which has at most one request here.
class JobQueue {
 public:
  void push(std::vector<Job>& jobs) {
    {
      const std::lock_guard lock(mutex_);
      for (Job& job : jobs) (job.urgent() ? urgent_ : jobs_).push_back(std::move(job));
    }
    if (jobs.size() == 1) {
      ready_.notify_one();
    } else {
      ready_.notify_all();
    }
    jobs.clear();
  }
  std::optional<Job> pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return !urgent_.empty() || !jobs_.empty() || stopped_; });
    if (stopped_) return std::nullopt;
    std::deque<Job>& first = urgent_.empty() ? jobs_ : urgent_;
    Job job = std::move(first.front());
    first.pop_front();
    return job;
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    ready_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Job> urgent_, jobs_;
  bool stopped_ = false;
};

/// What the answers on their way hold of memory: each its own text, and each body once however many send it.
class Unsent {
 public:
  void add(const Reply& reply) {
    bytes_ += reply.head.capacity();
    if (reply.body && ++bodies_[reply.body.get()] == 1) bytes_ += reply.body->size();
  }
  void remove(const Reply& reply) {
    if (reply.head.empty()) return;  // there is none
    bytes_ -= reply.head.capacity();
    if (!reply.body) return;
    const auto found = bodies_.find(reply.body.get());
    if (--found->second > 0) return;
    bodies_.erase(found);
    bytes_ -= reply.body->size();
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
  std::map<const std::string*, std::size_t> bodies_;
};

class EpollFront final : public Front {
 public:
  EpollFront(const StatusOptions& options, Answer answer, Descriptor listener, Descriptor epoll, Descriptor wake)
      : options_(options),
        answer_(std::move(answer)),
        listener_(std::move(listener)),
        epoll_(std::move(epoll)),
        wake_(std::move(wake)),
        address_(address_of(listener_.get())) {
    for (std::size_t i = 0; i < kWorkers; ++i) workers_.emplace_back([this] { work(); });
    owner_ = std::thread([this] { own_sockets(); });
  }

  ~EpollFront() override {
    stopping_ = true;
    ring();
    owner_.join();
    jobs_.stop();
    for (std::thread& worker : workers_) worker.join();
  }

  EpollFront(const EpollFront&) = delete;
  EpollFront& operator=(const EpollFront&) = delete;

  [[nodiscard]] std::string address() const override { return address_; }

  [[nodiscard]] StatusServer::Counters counters() const override {
    return {accepted_, requests_, refused_, shed_, expired_, open_};
  }

 private:
  // Workers.

  void work() {
    while (std::optional<Job> job = jobs_.pop()) {
      Done done{job->tag, answer_(std::move(job->text), job->close)};
      bool first = false;
      {
        const std::lock_guard lock(done_mutex_);
        first = done_.empty();
        done_.push_back(std::move(done));
      }
      if (first) ring();
    }
  }

  void ring() const {
    const std::uint64_t one = 1;
    // A full counter rings as well.
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
  }

  // The owner of the sockets: everything below runs on its thread alone.

  void own_sockets() {
    std::array<epoll_event, 512> events{};
    while (!stopping_) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), wait_millis());
      now_ = Clock::now();
      for (int i = 0; i < count; ++i) handle(events[static_cast<std::size_t>(i)]);
      go_on_again();
      if (accepting_ && now_ >= starved_until_) accept_some();
      if (!new_jobs_.empty()) jobs_.push(new_jobs_);
      expire();
    }
    connections_.clear();
  }

  void handle(const epoll_event& event) {
    if (event.data.u64 == kListenerTag) {
      accepting_ = true;
    } else if (event.data.u64 == kWakeTag) {
      std::uint64_t rings = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &rings, sizeof(rings));
      take_answers();
    } else if (Connection* connection = find(event.data.u64)) {
      if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection->readable = true;
      const std::uint32_t slot = slot_of(event.data.u64);
      if ((event.events & (EPOLLHUP | EPOLLERR)) != 0) {
        drop(slot);  // nobody is left to read an answer
      } else {
        go_on(slot);
      }
    }
  }

  static std::uint32_t slot_of(std::uint64_t tag) { return static_cast<std::uint32_t>(tag); }
  std::uint64_t tag_of(std::uint32_t slot) const { return (std::uint64_t{connections_[slot].life} << 32) | slot; }

  Connection* find(std::uint64_t tag) {
    const std::uint32_t slot = slot_of(tag);
    if (slot >= connections_.size()) return nullptr;
    Connection& connection = connections_[slot];
    return connection.phase != Phase::kFree && connection.life == tag >> 32 ? &connection : nullptr;
  }

  void accept_some() {
    // A flood of newcomers must not keep those who are served waiting.
    for (std::size_t i = 0; i < kMaxAtOnce; ++i) {
      Descriptor fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd.get() < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) accepting_ = false;
        // Out of descriptors: the oldest idle one leaves, else whoever waits is tried again soon.
        const bool starved = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (starved && !shed()) starved_until_ = now_ + std::chrono::milliseconds(100);
        return;
      }
      ++accepted_;
      if (open_ >= options_.max_connections && !shed()) continue;
      admit(std::move(fd));
    }
  }

  void admit(Descriptor fd) {
    std::uint32_t slot = 0;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(connections_.size());
      connections_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    Connection& connection = connections_[slot];
    const std::uint32_t life = (connection.life + 1) & 0x7fffffffU;  // never a tag of ours
    connection = Connection{};
    connection.life = life;
    connection.fd = std::move(fd);
    connection.readable = true;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = tag_of(slot);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection.fd.get(), &event) != 0) {
      connection.fd = Descriptor();
      free_.push_back(slot);
      return;
    }
    ++open_;
    enter(slot, Phase::kIdle, options_.idle_time);
    go_on(slot);
  }

  std::list<std::uint32_t>& queue(Phase phase) { return queues_[static_cast<std::size_t>(phase)]; }

  /// Every phase has one length, so each queue is in order of its deadlines.
  void enter(std::uint32_t slot, Phase phase, Clock::duration length) {
    Connection& connection = connections_[slot];
    if (connection.phase == Phase::kFree) {
      connection.place = queue(phase).insert(queue(phase).end(), slot);
    } else {
      queue(phase).splice(queue(phase).end(), queue(connection.phase), connection.place);
    }
    connection.phase = phase;
    connection.since = now_;
    connection.deadline = now_ + length;
  }

  void drop(std::uint32_t slot) {
    Connection& connection = connections_[slot];
    queue(connection.phase).erase(connection.place);
    unread_total_ -= connection.unread.size();
    connection.phase = Phase::kFree;
    connection.fd = Descriptor();
    connection.unread = std::string();
    forget_reply(connection);
    free_.push_back(slot);
    --open_;
  }

  /// Lets the one go that will be missed least: one that was refused, else whoever has done nothing for the longest, be it idle, slow or
  /// stuck. So a crowd of slow ones pushes itself out, and never somebody who has just come. False when all are being answered.
  bool shed() {
    const auto longest = [this](std::initializer_list<Phase> phases) {
      std::optional<std::uint32_t> found;
      for (const Phase phase : phases)
        if (!queue(phase).empty() && (!found || connections_[queue(phase).front()].since < connections_[*found].since))
          found = queue(phase).front();
      return found;
    };
    std::optional<std::uint32_t> slot = longest({Phase::kLinger});
    if (!slot) slot = longest({Phase::kIdle, Phase::kReading, Phase::kWriting});
    if (!slot) return false;
    drop(*slot);
    ++shed_;
    return true;
  }

  /// Lets others than `newcomer` go until the bytes that wait to be read fit: of those with many, who has been at it the longest.
  void shed_unread(std::uint32_t newcomer) {
    const std::size_t many = kMaxUnreadTotal / std::max<std::size_t>(options_.max_connections, 1) / 4;
    for (const Phase phase : {Phase::kReading, Phase::kWriting, Phase::kWorking}) {
      for (auto at = queue(phase).begin(); at != queue(phase).end() && unread_total_ > kMaxUnreadTotal;) {
        const std::uint32_t slot = *at++;
        if (slot == newcomer || connections_[slot].unread.size() < many) continue;
        drop(slot);
        ++shed_;
      }
    }
  }

  /// Lets those go that have not taken a byte for the longest, until the answers on their way fit. What `newcomer` shares with the view
  /// would be there without it.
  void shed_unsent(std::uint32_t newcomer) {
    const std::shared_ptr<const std::string>& shared = connections_[newcomer].reply.body;
    const std::size_t most = kMaxUnsentTotal + (shared ? shared->size() : 0);
    while (unsent_.bytes() > most && queue(Phase::kWriting).front() != newcomer) {
      drop(queue(Phase::kWriting).front());
      ++shed_;
    }
  }

  int wait_millis() {
    if (!again_.empty() || (accepting_ && now_ >= starved_until_)) return 0;
    Clock::time_point first = now_ + std::chrono::hours(1);
    for (const Phase phase : {Phase::kIdle, Phase::kReading, Phase::kWriting, Phase::kLinger})
      if (!queue(phase).empty()) first = std::min(first, connections_[queue(phase).front()].deadline);
    if (accepting_) first = std::min(first, starved_until_);
    const auto length = std::chrono::ceil<std::chrono::milliseconds>(first - now_).count();
    return static_cast<int>(std::clamp<std::int64_t>(length, 0, 3'600'000));
  }

  void expire() {
    // A crowd that came together ends together; those who are served have their turn in between.
    std::size_t left = kMaxAtOnce;
    for (const Phase phase : {Phase::kIdle, Phase::kReading, Phase::kWriting, Phase::kLinger}) {
      for (; !queue(phase).empty() && left > 0; --left) {
        const std::uint32_t slot = queue(phase).front();
        if (connections_[slot].deadline > now_) break;
        if (phase == Phase::kLinger) {
          drop(slot);
          continue;
        }
        ++expired_;
        if (phase == Phase::kReading) {
          refuse(slot, 408, "the request took longer than 5 seconds");
          continue;
        }
        drop(slot);
      }
    }
  }

  void go_on_again() {
    const std::vector<std::uint64_t> tags = std::exchange(again_, {});
    for (const std::uint64_t tag : tags)
      if (find(tag) != nullptr) go_on(slot_of(tag));
  }

  void take_answers() {
    {
      const std::lock_guard lock(done_mutex_);
      taken_.swap(done_);
    }
    for (Done& done : taken_) {
      Connection* connection = find(done.tag);
      if (connection == nullptr || connection->phase != Phase::kWorking) continue;
      connection->close_after = connection->close_after || done.reply.close;
      begin_reply(slot_of(done.tag), std::move(done.reply));
      go_on(slot_of(done.tag));
    }
    taken_.clear();
  }

  void begin_reply(std::uint32_t slot, Reply reply) {
    Connection& connection = connections_[slot];
    connection.reply = std::move(reply);
    connection.sent = 0;
    connection.reply_ends = now_ + kWholeReply;
    unsent_.add(connection.reply);
    enter(slot, Phase::kWriting, options_.write_time);
    shed_unsent(slot);
  }

  void forget_reply(Connection& connection) {
    unsent_.remove(connection.reply);
    connection.reply = Reply();
  }

  void refuse(std::uint32_t slot, int status, std::string_view reason) {
    Connection& connection = connections_[slot];
    ++refused_;
    unread_total_ -= connection.unread.size();
    connection.unread = std::string();
    connection.close_after = true;
    begin_reply(slot, Reply{refusal_text(status, reason), nullptr, 0, 0, true});
    go_on(slot);
  }

  /// Takes the connection as far as it goes without waiting. The slot may be free afterwards.
  void go_on(std::uint32_t slot) {
    for (;;) {
      switch (connections_[slot].phase) {
        case Phase::kFree:
        case Phase::kWorking:
          return;
        case Phase::kIdle:
        case Phase::kReading:
          if (!read_request(slot)) return;
          break;
        case Phase::kWriting:
          if (!write_reply(slot)) return;
          break;
        case Phase::kLinger:
          read_away(slot);
          return;
      }
    }
  }

  /// True when the connection has come into another phase and may go on.
  bool read_request(std::uint32_t slot) {
    Connection& connection = connections_[slot];
    for (;;) {
      if (!connection.unread.empty()) {
        if (connection.phase == Phase::kIdle) enter(slot, Phase::kReading, options_.request_time);
        Parsed parsed = parse_request(connection.unread, connection.searched);
        if (parsed.kind == Parsed::Kind::kRefused) {
          refuse(slot, parsed.status, parsed.reason);
          return false;
        }
        if (parsed.kind == Parsed::Kind::kRequest) {
          hand_over(slot, std::move(parsed));
          return false;
        }
      }
      if (!read_more(slot)) return false;
    }
  }

  void hand_over(std::uint32_t slot, Parsed parsed) {
    Connection& connection = connections_[slot];
    unread_total_ -= parsed.size;
    connection.unread.erase(0, parsed.size);
    if (connection.unread.empty()) connection.unread = std::string();
    connection.close_after = parsed.close;
    ++requests_;
    enter(slot, Phase::kWorking, Clock::duration::zero());
    new_jobs_.push_back({tag_of(slot), std::move(parsed.text), parsed.close});
  }

  /// False when nothing came, or the connection is gone.
  bool read_more(std::uint32_t slot) {
    Connection& connection = connections_[slot];
    if (!connection.readable) return false;
    const std::size_t room = std::min(buffer_.size(), kMaxUnread + 1 - std::min(kMaxUnread, connection.unread.size()));
    const ssize_t got = ::recv(connection.fd.get(), buffer_.data(), room, 0);
    if (got < 0 && errno == EINTR) return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      connection.readable = false;
      return false;
    }
    // A client that ends in the middle of a request, or between two, wants nothing more.
    if (got <= 0) {
      drop(slot);
      return false;
    }
    connection.unread.append(buffer_.data(), static_cast<std::size_t>(got));
    unread_total_ += static_cast<std::size_t>(got);
    if (unread_total_ > kMaxUnreadTotal) shed_unread(slot);
    return true;
  }

  bool write_reply(std::uint32_t slot) {
    Connection& connection = connections_[slot];
    const Reply& reply = connection.reply;
    const std::size_t total = reply.head.size() + reply.body_size;
    std::size_t turn = 0;
    while (connection.sent < total) {
      std::array<iovec, 2> parts{};
      std::size_t count = 0;
      const auto add = [&](const char* data, std::size_t size) {
        parts[count++] = {const_cast<char*>(data), size};
      };  // NOLINT: sendmsg only reads
      if (connection.sent < reply.head.size()) add(reply.head.data() + connection.sent, reply.head.size() - connection.sent);
      if (reply.body_size > 0) {
        const std::size_t done = connection.sent - std::min(connection.sent, reply.head.size());
        add(reply.body->data() + reply.body_begin + done, reply.body_size - done);
      }
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = count;
      const ssize_t sent = ::sendmsg(connection.fd.get(), &message, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
      if (sent < 0) {
        drop(slot);
        return false;
      }
      connection.sent += static_cast<std::size_t>(sent);
      turn += static_cast<std::size_t>(sent);
      if (connection.sent < total) {
        if (now_ >= connection.reply_ends) {
          ++expired_;
          drop(slot);
          return false;
        }
        enter(slot, Phase::kWriting, options_.write_time);
        if (turn >= kMaxTurn) {
          again_.push_back(tag_of(slot));
          return false;
        }
      }
    }
    return finish_reply(slot);
  }

  bool finish_reply(std::uint32_t slot) {
    Connection& connection = connections_[slot];
    forget_reply(connection);
    if (!connection.close_after) {
      enter(slot, Phase::kIdle, options_.idle_time);
      return true;
    }
    // Closing with bytes unread would reset the connection and could take the answer with it.
    ::shutdown(connection.fd.get(), SHUT_WR);
    enter(slot, Phase::kLinger, kLinger);
    return true;
  }

  void read_away(std::uint32_t slot) {
    Connection& connection = connections_[slot];
    while (connection.readable) {
      const ssize_t got = ::recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        connection.readable = false;
        return;
      }
      if (got > 0) connection.lingered += static_cast<std::size_t>(got);
      if (got <= 0 || connection.lingered > kMaxLingerBytes) {
        drop(slot);
        return;
      }
    }
  }

  const StatusOptions options_;
  const Answer answer_;
  const Descriptor listener_, epoll_, wake_;
  const std::string address_;

  std::deque<Connection> connections_;  // by slot; stays where it is when it grows
  std::vector<std::uint32_t> free_;
  std::array<std::list<std::uint32_t>, kPhases> queues_;  // oldest first
  std::array<char, 16 * 1024> buffer_{};
  std::size_t unread_total_ = 0;
  Unsent unsent_;
  Clock::time_point now_ = Clock::now();
  Clock::time_point starved_until_{};
  bool accepting_ = false;
  std::vector<std::uint64_t> again_;  // tags that had their turn and are not through
  std::vector<Job> new_jobs_;
  std::vector<Done> taken_;

  JobQueue jobs_;
  std::mutex done_mutex_;
  std::vector<Done> done_;

  std::atomic<std::uint64_t> accepted_{0}, requests_{0}, refused_{0}, shed_{0}, expired_{0}, open_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
  std::thread owner_;
};

}  // namespace

Result<std::unique_ptr<Front>> Front::open(const StatusOptions& options, Answer answer) {
  Result<Descriptor> listener = listen_on(options.listen);
  if (!listener) return listener.error();
  Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  Descriptor wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (epoll.get() < 0 || wake.get() < 0) return unavailable(std::string("listen: no descriptor left: ") + std::strerror(errno));
  const auto watch = [&](int fd, std::uint64_t tag, std::uint32_t how) {
    epoll_event event{};
    event.events = EPOLLIN | how;
    event.data.u64 = tag;
    return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  };
  if (!watch(listener->get(), kListenerTag, EPOLLET) || !watch(wake.get(), kWakeTag, 0))
    return unavailable(std::string("listen: cannot watch the socket: ") + std::strerror(errno));
  return std::unique_ptr<Front>(
      new EpollFront(options, std::move(answer), std::move(*listener), std::move(epoll), std::move(wake)));  // NOLINT: private type
}

}  // namespace nelson::status
