#include "gitsync/control_files.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <variant>

#include "tests/fuzz/target.h"
#include "tests/fuzz/tree.h"

// An input is a path of the control repository, a line end, and the file's bytes.

namespace nelson::fuzz {
namespace {

/// Stands for a credential that somebody wrote where a reference belongs. Whatever is wrong with the file, no message may repeat it.
constexpr std::string_view kCanary = "canary4711";

/// How often `word` is in the tree, and how often below a `credentials` key or in a url.
void count_in(const Node& node, std::string_view word, bool secret, std::size_t& all, std::size_t& secrets) {
  const bool below = secret || node.key == "credentials" || node.key == "url";
  for (const std::string* text : {&node.text, &node.key}) {
    if (text->find(word) == std::string::npos) continue;
    ++all;
    if (below && text == &node.text) ++secrets;
  }
  for (const Node& child : node.children) count_in(child, word, below, all, secrets);
}

void check_canary(std::string_view bytes, const Node& root, const std::vector<Problem>& problems) {
  if (bytes.find(kCanary) == std::string_view::npos) return;
  std::size_t all = 0, secrets = 0;
  count_in(root, kCanary, false, all, secrets);
  if (all == 0 || all != secrets) return;  // it also stands where a message may well repeat it
  for (const Problem& problem : problems)
    if (to_string(problem).find(kCanary) != std::string::npos) violated("a credential is repeated: " + to_string(problem));
}

void check_object(std::string_view path, const ControlObject& object) {
  ControlFiles files;
  files.put(path, "0123456789012345678901234567890123456789", object);
  if (files.files.size() != 1) violated("a file that is not one");
  if (const auto* repository = std::get_if<RepositoryFile>(&object)) {
    if (printable_url(repository->url).find(kCanary) != std::string::npos && repository->url.find("@") != std::string::npos &&
        repository->url.find(kCanary) < repository->url.find('@') && repository->url.starts_with("https"))
      violated("a url is printed with its user: " + printable_url(repository->url));
    if (!repository->image.empty()) static_cast<void>(image_of(*repository, "unit", {1, 2, 3}, std::string(40, 'a')));
    for (const char* tag : {"1.2.3", "unit/1.2.3", "release-1.2.3-unit", "v1.2.3"})
      static_cast<void>(match_tag(repository->tag_pattern, tag));
  }
  if (const auto* domain = std::get_if<DomainSettings>(&object)) {
    if (domain->instance_ports.first > domain->instance_ports.last || domain->stable_ports.first > domain->stable_ports.last)
      violated("a range of ports that ends before it begins");
    if (domain->folder.empty() || domain->folder[0] != '/') violated("a domain without a folder: " + domain->folder);
    for (const Duration length : {domain->ready_after, domain->stop_grace, domain->drain_limit})
      if (length <= Duration::zero() || length > std::chrono::days(3650)) violated("a length of time that is none");
  }
  if (const auto* space = std::get_if<NamespaceFile>(&object))
    if (!std::is_sorted(space->namespaces.begin(), space->namespaces.end())) violated("namespaces out of order");
}

bool run_control_files(std::string_view input) {
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string_view path = input.substr(0, line);
  const std::string_view bytes = input.substr(std::min(line + 1, input.size()));
  if (!is_control_file(path)) {
    if (const auto problem = unread_path_problem(path); problem && (problem->code.empty() || problem->message.empty()))
      violated("a path is refused without a word");
    return false;
  }
  if (unread_path_problem(path)) violated("a file is read and said not to be: " + std::string(path));
  const Checked document = read_and_check(bytes, DuplicateKeys::kRefuse);
  const ControlReading reading = read_control_file(path, bytes);
  check_problems(bytes, reading.problems);
  if (reading.object.has_value() == has_error(reading.problems)) violated("neither an object nor an error, or both");
  if (!document.reading.root) return false;
  check_canary(bytes, *document.reading.root, reading.problems);
  if (reading.object) check_object(path, *reading.object);

  if (!document.printed) return reading.object.has_value();
  const std::string& text = *document.printed;
  const ControlReading again = read_control_file(path, text);
  if (again.object.has_value() != reading.object.has_value()) violated("a file is valid in one way of writing only:\n" + text);
  if (!same_codes(again.problems, reading.problems)) violated("a file has other problems when it is printed:\n" + text);
  return reading.object.has_value();
}

}  // namespace

Target control_files() { return {"control_files", run_control_files}; }

}  // namespace nelson::fuzz
