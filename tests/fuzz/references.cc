#include <git2.h>
#include <git2/sys/transport.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "gitsync/control_files.h"
#include "gitsync/listing.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/tree.h"

// What a host advertises, through libgit2's own reader and ours, over a transport that is memory. An input is a line with the branch, one with
// the pattern of tags ("" for the default), one that says how the rest is meant, and the rest: `bytes` as they come from the host, or `names`,
// one a line, that an honest host would have advertised.

namespace nelson::fuzz {
namespace {

using git::Listing;

/// The host: gives its bytes out and takes nothing.
struct Host {
  git_smart_subtransport subtransport{};
  git_smart_subtransport_stream stream{};
  std::string_view bytes;
  std::size_t given = 0;
};

Host* g_host = nullptr;

int read_stream(git_smart_subtransport_stream*, char* buffer, std::size_t size, std::size_t* read) {
  const std::size_t count = std::min(size, g_host->bytes.size() - g_host->given);
  if (count == 0) return -1;
  std::memcpy(buffer, g_host->bytes.data() + g_host->given, count);
  g_host->given += count;
  *read = count;
  return 0;
}
int write_stream(git_smart_subtransport_stream*, const char*, std::size_t) { return 0; }
void free_stream(git_smart_subtransport_stream*) {}

int open_stream(git_smart_subtransport_stream** out, git_smart_subtransport*, const char*, git_smart_service_t) {
  *out = &g_host->stream;
  return 0;
}
int close_host(git_smart_subtransport*) { return 0; }
void free_host(git_smart_subtransport*) {}

int make_host(git_smart_subtransport** out, git_transport*, void*) {
  g_host->subtransport = {open_stream, close_host, free_host};
  g_host->stream = {&g_host->subtransport, read_stream, write_stream, free_stream};
  *out = &g_host->subtransport;
  return 0;
}

int make_transport(git_transport** out, git_remote* owner, void*) {
  static git_smart_subtransport_definition definition{make_host, 0, nullptr};
  return git_transport_smart(out, owner, &definition);
}

/// The listing of what a host says; nothing when the library does not understand it.
std::optional<Listing> listing_of(std::string_view advertised, const git::PollRequest& request) {
  static const bool ready = git_libgit2_init() > 0 && git_transport_register("memory", make_transport, nullptr) == 0;
  if (!ready) violated("the library does not start");
  Host host;
  host.bytes = advertised;
  g_host = &host;
  git::Handle<git_remote> remote;
  if (git_remote_create_detached(remote.out(), "memory://host/path") != 0) violated("no remote: " + git::last_error());
  if (git_remote_connect(remote.get(), GIT_DIRECTION_FETCH, nullptr, nullptr, nullptr) != 0) return std::nullopt;
  git::Reply<Listing> listing = list_references(remote.get(), request);
  git_remote_disconnect(remote.get());
  if (!listing) return std::nullopt;
  return *listing;
}

std::string packet(const std::string& content) {
  char length[5];
  std::snprintf(length, sizeof length, "%04zx", content.size() + 4);
  return length + content;
}

std::string advertisement(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    char id[41];
    std::snprintf(id, sizeof id, "%040zx", std::hash<std::string>()(names[i]) | 1);
    out += packet(std::string(id) + " " + names[i] + (out.empty() ? std::string("\0ofs-delta agent=git/2", 23) : "") + "\n");
  }
  return out + "0000";
}

std::string replaced(std::string text, std::string_view word, const std::string& by) {
  const std::size_t at = text.find(word);
  return at == std::string::npos ? text : text.replace(at, word.size(), by);
}

void check_tag(const std::string& pattern, const std::string& tag) {
  const auto release = match_tag(pattern, tag);
  if (!release) violated("a tag is taken that its pattern does not match: " + tag);
  std::string form = pattern;
  if (form.empty()) form = release->unit.empty() ? "{version}" : "{unit}/{version}";
  const bool says_unit = form.find("{unit}") != std::string::npos;
  if (says_unit == release->unit.empty()) violated("a tag of no unit, or of one it does not name: " + tag);
  // Leading zeros are fine in a version, so the tag need not be this one.
  const std::string plain = replaced(replaced(form, "{unit}", release->unit), "{version}", to_string(release->version));
  if (match_tag(pattern, plain) != release) violated("tag " + tag + " is of another release than " + plain);
}

void check_listing(const Listing& listing, const git::PollRequest& request) {
  const std::string branch = "refs/heads/" + request.branch;
  if (listing.references.size() > git::kMaximumReferences) violated("more refs than the limit");
  if (listing.branch_missing == listing.references.contains(branch)) violated("the branch is there and missing");
  if (listing.empty && !listing.references.empty()) violated("an empty repository with refs");
  for (const auto& [name, id] : listing.references) {
    if (name.size() > 512) violated("a name of " + std::to_string(name.size()) + " bytes");
    if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }))
      violated("a name with a control character");
    if (name.find("..") != std::string::npos || name.find("//") != std::string::npos) violated("a name that walks: " + name);
    if (name == branch) continue;
    if (!name.starts_with("refs/tags/")) violated("a ref that does not matter: " + name);
    check_tag(request.tag_pattern, name.substr(10));
  }
  if (digest_of(listing).size() != 64) violated("a digest that is none");
}

/// Some pattern that a control file may have; the default for any other.
std::string usable_pattern(std::string_view text) {
  const ControlReading reading =
      read_control_file("repositories/a.yml", "url: /a\nrelease: tags\ntag_pattern: '" + std::string(text) + "'\n");
  return reading.object ? std::get<RepositoryFile>(*reading.object).tag_pattern : "";
}

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

bool check_names(std::string_view rest, const git::PollRequest& request) {
  std::vector<std::string> names;
  while (!rest.empty()) {
    const std::string_view name = take_line(rest);
    if (!name.empty() && name.size() < 1000 && name.find('\0') == std::string_view::npos) names.emplace_back(name);
  }
  const auto listing = listing_of(advertisement(names), request);
  if (!listing) return false;
  check_listing(*listing, request);
  std::sort(names.begin(), names.end());
  const bool each_once = std::adjacent_find(names.begin(), names.end()) == names.end();
  const auto again = listing_of(advertisement(names), request);
  if (each_once && (!again || digest_of(*again) != digest_of(*listing))) violated("the host's order changes the digest");
  return true;
}

bool run_references(std::string_view input) {
  git::PollRequest request;
  request.branch = std::string(take_line(input));
  request.tags = true;
  request.tag_pattern = usable_pattern(take_line(input));
  const std::string_view way = take_line(input);
  // poll() asks this before anything else.
  if (request.branch.find('\0') != std::string::npos || git_reference_is_valid_name(("refs/heads/" + request.branch).c_str()) != 1)
    return false;
  if (way == "names") return check_names(input, request);
  if (way != "bytes") return false;
  const auto listing = listing_of(input, request);
  if (listing) check_listing(*listing, request);
  return listing.has_value();
}

}  // namespace

Target references() { return {"references", run_references}; }

}  // namespace nelson::fuzz
