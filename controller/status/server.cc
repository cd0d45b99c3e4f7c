#include "controller/status/server.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "controller/status/front.h"
#include "controller/status/library.h"
#include "controller/status/routes.h"

namespace nelson {
namespace {

using Steady = std::chrono::steady_clock;

Duration since(Steady::time_point at) { return std::chrono::duration_cast<Duration>(Steady::now() - at); }

class Server final : public StatusServer {
 public:
  explicit Server(StatusOptions options)
      : options_(std::move(options)),
        library_([this](const status::Request& request) { return status::route(request, moment(), options_); }, options_.log) {
    publish(build_view({}));
  }

  Status begin() {
    Result<std::unique_ptr<status::Front>> front =
        status::Front::open(options_, [this](const std::string& text, bool close) { return library_.answer(text, close); });
    if (!front) return front.error();
    front_ = std::move(*front);
    counting_ = front_.get();
    return {};
  }

  void publish(std::shared_ptr<const View> view) override {
    const bool answered = view->answered;
    const std::lock_guard lock(mutex_);
    published_.swap(view);
    published_at_ = Steady::now();
    if (answered) answered_at_ = published_at_;
    // The old view, perhaps the last of it, goes after the lock.
  }

  [[nodiscard]] std::string address() const override { return front_->address(); }

  [[nodiscard]] Counters counters() const override {
    const status::Front* const front = counting_.load();
    return front == nullptr ? Counters{} : front->counters();
  }

 private:
  status::Moment moment() const {
    status::Moment moment;
    moment.counters = counters();
    const std::lock_guard lock(mutex_);
    moment.view = published_;
    moment.age = since(published_at_);
    if (answered_at_) moment.since_answered = since(*answered_at_);
    return moment;
  }

  const StatusOptions options_;
  status::Library library_;
  mutable std::mutex mutex_;
  std::shared_ptr<const View> published_;
  Steady::time_point published_at_{};
  std::optional<Steady::time_point> answered_at_;
  std::atomic<const status::Front*> counting_{nullptr};
  std::unique_ptr<status::Front> front_;  // last: its threads end before anything they use
};

}  // namespace

Result<std::unique_ptr<StatusServer>> StatusServer::open(StatusOptions options) {
  auto server = std::make_unique<Server>(std::move(options));
  if (Status begun = server->begin(); !begun) return begun.error();
  return std::unique_ptr<StatusServer>(std::move(server));
}

}  // namespace nelson
