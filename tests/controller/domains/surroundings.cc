#include "tests/controller/domains/surroundings.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "controller/domains/fake/fake.h"
#include "controller/domains/faulty.h"
#include "controller/domains/haproxy/haproxy.h"

namespace nelson::test {
namespace {

using namespace std::chrono_literals;

constexpr int kRounds = 3000;

class LiveSurroundings final : public Surroundings {
 public:
  LiveSurroundings() {
    std::string name = (std::filesystem::temp_directory_path() / "nelson-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
    root_ = name;
    ::chmod(root_.c_str(), 0755);  // instances run as another user
  }

  ~LiveSurroundings() override {
    end_stacks();
    static_cast<void>(stop_haproxy(folder()).ok());
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }

  Domain open(const std::string& owner) override {
    DomainSettings settings;
    settings.name = "local";
    settings.folder = folder();
    settings.stop_grace = 1s;
    settings.instance_ports = {27000, 27999};
    settings.stable_ports = {28000, 28999};
    DomainContext context;
    context.owner = owner;
    context.changed = [] {};
    auto domain = open_domain(settings, context);
    if (!domain) throw std::runtime_error(domain.error().message);
    if (std::find(owners_.begin(), owners_.end(), owner) == owners_.end()) owners_.push_back(owner);
    return *std::move(domain);
  }

  void wait() override { std::this_thread::sleep_for(10ms); }
  Artifact service() const override {
    return {ArtifactKind::kCommand, "", {"/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"}, ""};
  }
  Artifact job() const override { return {ArtifactKind::kCommand, "", {"/bin/true"}, ""}; }

 private:
  [[nodiscard]] std::string folder() const { return root_ + "/domain"; }

  void end_stacks() {
    for (const std::string& owner : owners_) {
      Domain domain = open(owner);
      for (int round = 0; round < kRounds; ++round) {
        const auto view = domain.scheduler->observe();
        if (view && view->stacks.empty()) break;
        if (view)
          for (const auto& [stack, running] : view->stacks)
            static_cast<void>(domain.scheduler->ensure_absent(stack, running.incarnation).ok());
        wait();
      }
    }
  }

  std::string root_;
  std::vector<std::string> owners_;
};

class FakeSurroundings final : public Surroundings {
 public:
  Domain open(const std::string& owner) override {
    DomainSettings settings;
    settings.name = "local";
    return world_.open(settings, owner);
  }
  void wait() override { world_.advance(10ms); }
  Artifact service() const override { return {ArtifactKind::kImage, "example/service:1", {}, ""}; }
  Artifact job() const override { return {ArtifactKind::kImage, "example/job:1", {}, ""}; }

 private:
  FakeWorld world_{Instant(1h)};
};

class Wrapped final : public Surroundings {
 public:
  explicit Wrapped(std::unique_ptr<Surroundings> inner) : inner_(std::move(inner)) {}

  Domain open(const std::string& owner) override { return with_faults(inner_->open(owner), faults_); }
  void wait() override { inner_->wait(); }
  Artifact service() const override { return inner_->service(); }
  Artifact job() const override { return inner_->job(); }

 private:
  std::unique_ptr<Surroundings> inner_;
  std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
};

}  // namespace

bool Surroundings::eventually(const std::function<bool()>& holds) {
  for (int round = 0; round < kRounds; ++round) {
    if (holds()) return true;
    wait();
  }
  return holds();
}

std::unique_ptr<Surroundings> live_surroundings() { return std::make_unique<LiveSurroundings>(); }
std::unique_ptr<Surroundings> fake_surroundings() { return std::make_unique<FakeSurroundings>(); }
std::unique_ptr<Surroundings> wrapped(std::unique_ptr<Surroundings> inner) { return std::make_unique<Wrapped>(std::move(inner)); }

Launch sample_launch(const std::string& owner, const std::string& unit, const Artifact& artifact) {
  Launch launch;
  launch.identity.owner = owner;
  launch.identity.domain = "local";
  launch.identity.name_space = "dev";
  launch.identity.repository = "shop";
  launch.identity.unit = unit;
  launch.identity.plan = "default";
  launch.identity.version = {1, 2, 3};
  launch.identity.artifact = artifact;
  launch.stack = stack_name(launch.identity);
  launch.commit = std::string(40, 'c');
  return launch;
}

Submission sample_submission(Scheduler& scheduler, const Launch& launch, std::int32_t count) {
  auto document = scheduler.render(launch, guid_of(digest_of(launch.identity), launch.incarnation));
  if (!document) throw std::runtime_error(document.error().message);
  return {launch.stack, launch.incarnation, *document, count};
}

StackRecord sample_record(const std::string& unit) {
  StackRecord record;
  record.identity = sample_launch("ours", unit, {ArtifactKind::kImage, "example/" + unit, {}, ""}).identity;
  record.identity.spec.environment = {{"GREETING", "line one\nline \"two\"\t\xc3\xa9"}};
  record.stack = stack_name(record.identity);
  record.document = "{\"any\": \"text\"}";
  record.incarnation = 2;
  record.launched = Instant(std::chrono::hours(400000));
  record.kept_no_longer_since = Instant(std::chrono::hours(400001) + 7ms);
  record.job_result = JobResult::kFailed;
  return record;
}

TrafficRecord sample_traffic(const std::string& unit) {
  TrafficRecord record;
  record.key = {"local", "dev/sandbox", unit, 1};
  record.weights = {{unit + "--1-0-0--0000aaaa", 95}, {unit + "--1-1-0--0000bbbb", 5}};
  record.target = {unit + "--1-1-0--0000bbbb"};
  record.stepped_at = Instant(std::chrono::hours(400000));
  return record;
}

Route sample_route(const std::string& unit, std::int32_t percent) {
  Route route;
  route.key = {"local", "dev", unit, 1};
  route.ports = {{"default", 8080, Protocol::kHttp}};
  route.backends = {
      {unit + "--1-0-0--0000aaaa", 100 - percent, {{0, {{"default", "127.0.0.1", 26990}}}}, {}},
      {unit + "--1-1-0--0000bbbb", percent, {{0, {{"default", "127.0.0.1", 26991}}}, {1, {{"default", "127.0.0.1", 26992}}}}, {}}};
  return route;
}

}  // namespace nelson::test
