#include "tests/checks/layering.h"

#include <array>
#include <regex>
#include <string_view>

namespace nelson::checks {
namespace {

/// Which folders' headers a folder may include. The first row whose folder holds the file decides, so the narrower come first.
struct Arrow {
  std::string_view folder;
  std::vector<std::string_view> may_include;
};

const std::vector<Arrow>& arrows() {
  static const std::vector<Arrow> kArrows = {
      {"state/model", {"state/model"}},
      {"state", {"state"}},
      {"gitsync", {"gitsync", "state/model"}},
      {"reconcilers", {"reconcilers", "state/model"}},
      {"controller/base", {"controller/base", "state/model"}},
      {"controller/domains", {"controller/domains", "controller/base", "state/model"}},
      {"controller/status", {"controller/status", "controller/base", "reconcilers", "state"}},
      {"controller/loop",
       {"controller/loop", "controller/domains", "controller/status", "controller/base", "gitsync", "reconcilers", "state"}},
      {"controller", {"controller", "gitsync", "reconcilers", "state"}},
      {"tests", {"tests", "controller", "gitsync", "reconcilers", "state"}},
      {"examples", {}},
  };
  return kArrows;
}

/// Whose headers begin so, where they may be included, and the package they come from.
struct Library {
  std::string_view prefix;
  std::vector<std::string_view> folders;
  std::string_view package;
};

const std::vector<Library>& libraries() {
  static const std::vector<Library> kLibraries = {
      // Digests are nobody's trade here; a hashed known_hosts entry is an HMAC.
      {"openssl/", {"state/model/digest.cc", "gitsync/known_hosts.cc", "tests"}, "libssl-dev"},
      {"lmdb.h", {"state", "tests/state", "tests/bench"}, "liblmdb-dev"},
      {"git2", {"gitsync", "tests/gitsync", "tests/fuzz", "tests/bench"}, "libgit2-dev"},
      {"yaml-cpp/", {"gitsync", "tests/gitsync", "tests/bench"}, "libyaml-cpp-dev"},
      {"Poco/", {"controller", "tests"}, "libpoco-dev"},
      {"httplib.h", {"controller", "tests"}, "libcpp-httplib-dev"},
      {"spdlog/", {"controller", "tests"}, "libspdlog-dev"},
      {"fmt/", {"controller", "tests"}, "libspdlog-dev"},
      {"nlohmann/", {"controller", "tests"}, "nlohmann-json3-dev"},
      {"gtest/", {"tests"}, "libgtest-dev"},
      {"gmock/", {"tests"}, "libgtest-dev"},
  };
  return kLibraries;
}

bool lies_in(const std::string& path, std::string_view folder_or_file) {
  return path == folder_or_file || path.starts_with(std::string(folder_or_file) + "/");
}

const Library* library_of(const std::string& include) {
  for (const Library& library : libraries())
    if (include.starts_with(library.prefix)) return &library;
  return nullptr;
}

/// <vector>, <cstdint>: no slash and no dot.
bool is_standard(const std::string& include) { return include.find_first_of("./") == std::string::npos; }

/// Headers of libc and the kernel.
bool is_system(const std::string& include) {
  static const std::regex kSystem(
      "(sys|linux|net|netinet|arpa|asm)/[a-z0-9_]+\\.h|"
      "(assert|dirent|errno|fcntl|fnmatch|glob|grp|libgen|limits|locale|netdb|poll|pthread|pty|pwd|regex|resolv|sched|semaphore|"
      "malloc|signal|spawn|"
      "stdint|stdio|stdlib|string|strings|syslog|termios|time|ucontext|ulimit|unistd|utime|utmp|wait|execinfo)\\.h");
  return std::regex_match(include, kSystem);
}

/// A function of its arguments alone: these folders know no clock, file, log, thread or chance.
bool must_be_pure(const Source& source) { return source.in("reconcilers") || source.in("state/model"); }

constexpr std::array kImpureHeaders = std::to_array<std::string_view>(
    {"fstream", "iostream", "filesystem", "thread", "future", "mutex", "condition_variable", "random", "ctime", "atomic"});

constexpr std::array kImpureWords =
    std::to_array<std::string_view>({"system_clock", "steady_clock", "high_resolution_clock", "clock_gettime", "gettimeofday",
                                     "getenv", "std::cout", "std::cerr", "std::printf", "fprintf", "std::puts", "fopen", "ifstream",
                                     "ofstream", "random_device", "std::rand", "std::system", "thread_local", "spdlog"});

void check_purity(const Source& source, std::vector<std::string>& findings) {
  for (const Include& include : includes_of(source))
    for (const std::string_view header : kImpureHeaders)
      if (include.name == header)
        findings.push_back(finding(source, include.line, "<" + include.name + "> in a folder that only decides"));
  for (const Line& line : lines_of(code_of(source.text)))
    for (const std::string_view word : kImpureWords)
      if (line.text.find(word) != std::string::npos && !line.text.starts_with("#include"))
        findings.push_back(finding(source, line.number, std::string(word) + " in a folder that only decides"));
}

std::string judge_own(const Source& source, const std::string& include) {
  for (const Arrow& arrow : arrows()) {
    if (!source.in(std::string(arrow.folder))) continue;
    for (const std::string_view folder : arrow.may_include)
      if (lies_in(include, folder)) return "";
    return std::string(arrow.folder) + "/ must not know " + include;
  }
  return "a source outside the known folders";
}

std::string judge_foreign(const Source& source, const std::string& include) {
  if (is_standard(include)) return "";
  if (is_system(include)) return must_be_pure(source) ? "<" + include + ">: only the standard library here" : "";
  const Library* library = library_of(include);
  if (library == nullptr) return "<" + include + "> is of no library that tests/checks/layering.cc knows";
  for (const std::string_view folder : library->folders) {
    const bool model_excepted = folder == "state" && source.in("state/model");
    if (lies_in(source.path, folder) && !model_excepted) return "";
  }
  return "<" + include + "> has its place elsewhere: " + std::string(library->folders.front());
}

}  // namespace

std::vector<Include> includes_of(const Source& source) {
  static const std::regex kInclude("^\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"].*");
  std::vector<Include> includes;
  for (const Line& line : lines_of(source.text)) {
    std::smatch match;
    if (std::regex_match(line.text, match, kInclude)) includes.push_back({line.number, match[2], match[1] == "\""});
  }
  return includes;
}

std::vector<std::string> layering_findings(const Source& source) {
  std::vector<std::string> findings;
  for (const Include& include : includes_of(source)) {
    const bool own = include.quoted && library_of(include.name) == nullptr;
    const std::string trouble = own ? judge_own(source, include.name) : judge_foreign(source, include.name);
    if (!trouble.empty()) findings.push_back(finding(source, include.line, trouble));
  }
  if (must_be_pure(source)) check_purity(source, findings);
  return findings;
}

std::string package_of(const std::string& include) {
  if (is_standard(include) || is_system(include)) return "";
  const Library* library = library_of(include);
  return library == nullptr ? "?" : std::string(library->package);
}

}  // namespace nelson::checks
