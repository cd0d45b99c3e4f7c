#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "gitsync/manifest.h"
#include "gitsync/shape.h"
#include "tests/gitsync/shape_keys.h"

// Every key of the full example, each put wrong in every way: what comes of it is an error, a warning, or accepted for a reason that
// tests/golden/accepted_cases.txt names.

namespace nelson {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream stream(std::string(NELSON_SOURCE) + "/" + path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string in_single_quotes(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

/// Block style, one key a line, so that every key has a line of its own. `lines` gets that of each path.
class Printer {
 public:
  std::string print(const Node& root) {
    entries(root, 0, "");
    return std::move(out_);
  }
  std::map<std::string, std::uint32_t> lines;

 private:
  void line(int depth, const std::string& text) {
    out_ += std::string(static_cast<std::size_t>(depth) * 2, ' ') + text + "\n";
    ++number_;
  }

  void entries(const Node& node, int depth, const std::string& path) {
    for (const Node& entry : node.children) value(entry, depth, entry.key + ":", path.empty() ? entry.key : path + "." + entry.key);
  }

  void value(const Node& node, int depth, const std::string& head, const std::string& path) {
    lines[path] = number_ + 1;
    if (node.kind == NodeKind::kNull) return line(depth, head);
    if (node.kind == NodeKind::kScalar) return line(depth, head + " " + (node.plain ? node.text : in_single_quotes(node.text)));
    if (node.children.empty()) return line(depth, head + (node.kind == NodeKind::kSequence ? " []" : " {}"));
    line(depth, head);
    if (node.kind == NodeKind::kMapping) return entries(node, depth + 1, path);
    for (const Node& item : node.children) value(item, depth + 1, "-", path + "[]");
  }

  std::string out_;
  std::uint32_t number_ = 0;
};

Node scalar(const std::string& text) {
  Node node;
  node.kind = NodeKind::kScalar;
  node.plain = !text.empty();
  node.text = text;
  return node;
}

/// The first entry at `path`, "units[].ports", with the mapping that holds it.
struct Found {
  Node* holder = nullptr;
  std::size_t index = 0;
};

void find(Node& node, const std::string& at, const std::string& path, Found& found) {
  for (std::size_t i = 0; i < node.children.size() && found.holder == nullptr; ++i) {
    Node& child = node.children[i];
    const std::string here = node.kind == NodeKind::kSequence ? at + "[]" : at.empty() ? child.key : at + "." + child.key;
    if (here == path && node.kind == NodeKind::kMapping) found = {&node, i};
    if (found.holder == nullptr && child.kind != NodeKind::kScalar) find(child, here, path, found);
  }
}

void collect(const Node& node, const std::string& at, std::vector<std::string>& paths) {
  for (const Node& child : node.children) {
    const std::string here = node.kind == NodeKind::kSequence ? at + "[]" : at.empty() ? child.key : at + "." + child.key;
    if (node.kind == NodeKind::kMapping && std::find(paths.begin(), paths.end(), here) == paths.end()) paths.push_back(here);
    collect(child, here, paths);
  }
}

/// Values just outside what is allowed; keys that are not here are texts, whose only limit is that of every text.
struct Limits {
  std::string below, above;
};
const std::map<std::string, Limits>& limits() {
  static const std::map<std::string, Limits> kLimits = {
      {"plans[].cpu", {"0", "100"}},
      {"plans[].cpu_request", {"0", "0.6"}},
      {"plans[].memory", {"0", "50000"}},
      {"plans[].memory_request", {"0", "513"}},
      {"plans[].instances.desired", {"0", "5000"}},
      {"plans[].retries", {"0", "2147483648"}},
      {"plans[].volumes[].size", {"0", "2147483648"}},
      {"plans[].health_checks[].interval", {"99 ms", "25 hours"}},
      {"plans[].health_checks[].timeout", {"0 s", "25 hours"}},
      {"plans[].traffic_shift.duration", {"1 minute", "5 days"}},
      {"units[].name", {"a", std::string(42, 'a')}},
      {"plans[].name", {"''", std::string(65, 'a')}},
      {"plans[].health_checks[].name", {"''", std::string(65, 'a')}},
      {"units[].resources[].name", {"''", std::string(65, 'a')}},
      {"loadbalancers[].name", {"''", std::string(13, 'a')}},
      {"loadbalancers[].routes[].expose", {"default->0/http", "default->65536/http"}},
      {"namespaces[].name", {"a", std::string(65, 'a')}},
  };
  return kLimits;
}

using Change = std::function<void(Node& holder, std::size_t index)>;

/// Every case that `path` has, by name.
std::map<std::string, Change> cases_of(const std::string& path, const Node& entry) {
  const auto replaced = [](Node with) {
    return [with](Node& holder, std::size_t index) {
      Node changed = with;
      changed.key = holder.children[index].key;
      holder.children[index] = changed;
    };
  };
  Node wrong = scalar("text");
  if (entry.kind == NodeKind::kScalar) {
    wrong = Node();
    wrong.kind = NodeKind::kMapping;
    wrong.children.push_back(scalar("b"));
    wrong.children.back().key = "a";
  }
  Node empty = scalar("");
  if (entry.kind != NodeKind::kScalar) {
    empty = Node();
    empty.kind = entry.kind;
  }
  std::map<std::string, Change> out = {
      {"absent", [](Node& holder,
                    std::size_t index) { holder.children.erase(holder.children.begin() + static_cast<std::ptrdiff_t>(index)); }},
      {"null", replaced(Node())},
      {"wrong type", replaced(wrong)},
      {"empty", replaced(empty)},
      {"misspelt", [](Node& holder, std::size_t index) { holder.children[index].key.insert(1, "q"); }},
      {"duplicated",
       [](Node& holder, std::size_t index) {
         holder.children.insert(holder.children.begin() + static_cast<std::ptrdiff_t>(index), Node(holder.children[index]));
       }},
  };
  if (const auto found = limits().find(path); found != limits().end()) {
    out["below"] = replaced(scalar(found->second.below));
    out["above"] = replaced(scalar(found->second.above));
  } else if (entry.kind == NodeKind::kScalar) {
    out["above"] = replaced(scalar(std::string(65 * 1024, 'x')));
  }
  return out;
}

/// "absent | reason | key key ..." a line.
std::map<std::string, std::set<std::string>> accepted_cases() {
  std::map<std::string, std::set<std::string>> out;
  std::istringstream lines(content_of("tests/golden/accepted_cases.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t first = line.find(" | "), second = line.find(" | ", first + 3);
    EXPECT_LT(first + 3, second) << "no reason: " << line;
    std::istringstream keys(line.substr(second + 3));
    for (std::string key; keys >> key;)
      EXPECT_TRUE(out[line.substr(0, first)].insert(key).second) << line.substr(0, first) << " lists " << key << " twice";
  }
  return out;
}

std::multiset<std::string> said(const ManifestReading& reading) {
  std::multiset<std::string> out;
  for (const Problem& problem : reading.problems) out.insert(problem.code + " " + problem.message);
  return out;
}

TEST(ManifestCases, EveryKeyPutWrongInEveryWayIsSaidOrAcceptedForAReason) {
  DocumentReading document = read_document(content_of("tests/golden/manifests/example_valid.yml"), DuplicateKeys::kLastWins);
  ASSERT_TRUE(document.root);
  const Node example = *document.root;
  const std::multiset<std::string> usual = said(read_manifest(Printer().print(example)));
  std::vector<std::string> paths;
  collect(example, "", paths);
  auto accepted = accepted_cases();
  std::size_t tried = 0;
  std::string unlisted;
  for (const std::string& path : paths) {
    Node probe = example;
    Found at;
    find(probe, "", path, at);
    ASSERT_NE(at.holder, nullptr) << path;
    for (const auto& [name, change] : cases_of(path, at.holder->children[at.index])) {
      SCOPED_TRACE(path + " " + name);
      Node changed = example;
      Found here;
      find(changed, "", path, here);
      change(*here.holder, here.index);
      const std::string text = Printer().print(changed);
      const ManifestReading reading = read_manifest(text);
      ++tried;
      bool news = false;
      for (const Problem& problem : reading.problems) {
        if (usual.count(problem.code + " " + problem.message) > 0) continue;
        news = true;
        EXPECT_GT(problem.line, 0U) << to_string(problem);
      }
      const bool listed = accepted[name].erase(path) > 0;
      EXPECT_FALSE(listed && news) << "is listed as accepted, and is not";
      if (!listed && !news) unlisted += name + " " + path + "\n";
      if (name == "misspelt") {
        const std::string key = path.substr(path.rfind('.') + 1);
        EXPECT_TRUE(std::any_of(reading.problems.begin(), reading.problems.end(),
                                [&](const Problem& problem) {
                                  return problem.code == "UnknownKey" && problem.way_out == "did you mean `" + key + "`?";
                                }))
            << "does not suggest " << key;
      }
    }
  }
  EXPECT_EQ(unlisted, "") << "passes in silence, and accepted_cases.txt gives no reason";
  for (const auto& [name, keys] : accepted)
    for (const std::string& key : keys) ADD_FAILURE() << "accepted_cases.txt lists what is not tried: " << name << " " << key;
  EXPECT_GE(paths.size(), 60U);
  EXPECT_GE(tried, 6 * paths.size());
}

/// The tables that read the file are those that the schema comes from, so a key that neither the example nor this list names is a new one.
TEST(ManifestCases, TheExampleNamesEveryKeyThatIsRead) {
  std::set<std::string> read;
  add_keys_of(manifest_shape(), "", read);
  DocumentReading document = read_document(content_of("tests/golden/manifests/example_valid.yml"), DuplicateKeys::kLastWins);
  std::vector<std::string> shown;
  collect(*document.root, "", shown);
  for (const std::string& path : shown) EXPECT_EQ(read.erase(path), 1U) << path << " is in the example and not in the tables";
  const std::set<std::string> others = {
      // the other generation's word
      "datacenters", "datacenters.only", "datacenters.except", "domains.only",
      // fallbacks for plans that say nothing, and for units that name no plan
      "units[].workflow", "units[].workflow.kind", "units[].workflow.blueprint", "units[].schedule", "units[].timezone",
      "units[].expiration_policy", "namespaces[].plans",
      // against a traffic shift
      "plans[].schedule", "plans[].timezone",
      // the present dialect
      "units[].alerting.prometheus.alerts[].expr", "units[].alerting.prometheus.alerts[].for",
      "units[].alerting.prometheus.alerts[].labels", "units[].alerting.prometheus.alerts[].annotations",
      "units[].alerting.prometheus.rules[].expr",
      // the other kinds of constraint
      "plans[].constraints[].cluster", "plans[].constraints[].cluster[].fieldName", "plans[].constraints[].cluster[].param",
      "plans[].constraints[].groupBy", "plans[].constraints[].groupBy[].fieldName", "plans[].constraints[].groupBy[].param",
      "plans[].constraints[].like", "plans[].constraints[].like[].fieldName", "plans[].constraints[].like[].param",
      "plans[].constraints[].unlike", "plans[].constraints[].unlike[].fieldName", "plans[].constraints[].unlike[].param"};
  for (const std::string& path : others) EXPECT_EQ(read.erase(path), 1U) << path;
  for (const std::string& path : read) ADD_FAILURE() << path << " is read and nowhere shown";
}

}  // namespace
}  // namespace nelson
