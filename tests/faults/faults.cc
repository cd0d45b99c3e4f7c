#include "tests/faults/faults.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <new>
#include <random>
#include <sstream>
#include <stdexcept>

namespace nelson::faults {

std::string Call::text() const {
  std::string text = name + " " + path + ": " + outcome;
  if (error != 0) text += std::string(" (") + std::strerror(error) + ")";
  return text;
}

bool matches(const Rule& rule, const Call& call) {
  const std::uint32_t role = call.role == "run" ? kRun : call.role == "supervise" ? kSupervise : kGitWorker;
  return (rule.calls & call.calls) != 0 && (rule.roles & role) != 0 && call.path.find(rule.part) != std::string::npos;
}

Shim::Shim(const std::string& folder, const std::vector<std::string>& watched) : file_(folder + "/faults") {
  // The loader only warns of a library that is not there, and then nothing fails when it should.
  if (::access(NELSON_SHIM, R_OK) != 0)
    throw std::runtime_error(std::string(NELSON_SHIM) + ": " + std::strerror(errno) + "; build faults_shim");
  const int fd = ::open(file_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  void* const mapped = fd >= 0 && ::ftruncate(fd, sizeof(Control)) == 0
                           ? ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                           : MAP_FAILED;
  if (fd >= 0) ::close(fd);
  if (mapped == MAP_FAILED) throw std::runtime_error(file_ + ": " + std::strerror(errno));
  control_ = new (mapped) Control{};
  for (std::size_t i = 0; i < watched.size() && i < Control::kFolders; ++i)
    std::strncpy(control_->folders[i], watched[i].c_str(), Control::kPathBytes - 1);
}

Shim::~Shim() { ::munmap(control_, sizeof(Control)); }

std::vector<std::string> Shim::preload() const {
  return {"env", std::string("LD_PRELOAD=") + NELSON_SHIM, std::string(kControlVariable) + "=" + file_};
}

void Shim::give(const Rule& rule) {
  take_back();
  control_->calls = rule.calls;
  control_->roles = rule.roles;
  control_->nth = rule.nth;
  control_->error = rule.error;
  std::strncpy(control_->part, rule.part.c_str(), Control::kPathBytes - 1);
  control_->seen = 0;
  control_->done = 0;
  control_->deed = rule.deed;
}

void Shim::take_back() { control_->deed = Deed::kNone; }

void Shim::set_wall_ahead(std::chrono::seconds ahead) { control_->wall_ahead = std::chrono::nanoseconds(ahead).count(); }

std::vector<Call> Shim::log() const {
  std::vector<Call> calls;
  std::ifstream file(file_ + ".log");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Call call;
    if (words >> call.at >> call.pid >> call.role >> call.name >> call.calls >> call.outcome >> call.error >> call.path)
      calls.push_back(std::move(call));
  }
  return calls;
}

void Shim::clear_log() {
  if (::truncate((file_ + ".log").c_str(), 0) != 0 && errno != ENOENT) throw std::runtime_error(std::strerror(errno));
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t seed() {
  static const std::uint64_t drawn = [] {
    const std::uint64_t number = number_from("NELSON_SEED", std::random_device{}());
    std::cout << "NELSON_SEED=" << number << std::endl;
    return number;
  }();
  return drawn;
}

}  // namespace nelson::faults
