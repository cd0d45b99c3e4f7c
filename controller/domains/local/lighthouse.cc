#include "controller/domains/local/lighthouse.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "controller/base/durable.h"
#include "controller/base/files.h"
#include "state/model/names.h"

namespace nelson {
namespace {

constexpr std::size_t kPayloadBytes = std::size_t{1} << 20;
constexpr std::string_view kPayloadSuffix = ".json";

class Lighthouse final : public Discovery {
 public:
  Lighthouse(std::string folder, bool read_only) : folder_(std::move(folder)), read_only_(read_only) {}

  Result<DiscoveryView> observe() override {
    DiscoveryView view;
    const auto files = names_in(folder_);
    if (!files && errno == ENOENT && read_only_) return view;  // never used yet
    if (!files) return unavailable(folder_ + ": cannot be read: " + std::system_category().message(errno));
    for (const std::string& file : *files) {
      if (!file.ends_with(kPayloadSuffix)) continue;
      const std::string stack = file.substr(0, file.size() - kPayloadSuffix.size());
      if (!parse_stack_name(stack)) continue;
      auto payload = read_file(folder_ + "/" + file, kPayloadBytes);
      // One that cannot be read is shown as empty: it is not what anybody wants there, so that it is written again.
      view.published[stack] = payload ? std::move(*payload) : "";
    }
    return view;
  }

  Status publish(const std::string& stack, const std::string& payload) override {
    if (Status fit = may_write(stack); !fit) return fit;
    if (payload.empty() || payload.size() > kPayloadBytes) return invalid(stack + ": a discovery payload has 1 byte to 1 MiB");
    const auto there = read_file(path(stack), kPayloadBytes);
    if (there && *there == payload) return {};
    return replace_file(path(stack), payload, 0644);
  }

  Status unpublish(const std::string& stack) override {
    if (Status fit = may_write(stack); !fit) return fit;
    return remove_file(path(stack));
  }

 private:
  [[nodiscard]] std::string path(const std::string& stack) const { return folder_ + "/" + stack + std::string(kPayloadSuffix); }

  [[nodiscard]] Status may_write(const std::string& stack) const {
    if (read_only_) return internal(folder_ + ": was opened to be read only; nothing is written");
    if (!parse_stack_name(stack)) return invalid("\"" + stack + "\" is no stack's name");
    return {};
  }

  std::string folder_;
  bool read_only_;
};

}  // namespace

Result<std::unique_ptr<Discovery>> open_lighthouse(const std::string& folder, bool read_only) {
  const std::string own = folder + "/lighthouse";
  if (!read_only) {
    if (Status made = make_folders(folder, 0711); !made) return made.error();
    if (Status made = ensure_folder(own, 0755); !made) return made.error();
  }
  return std::unique_ptr<Discovery>(std::make_unique<Lighthouse>(own, read_only));
}

}  // namespace nelson
