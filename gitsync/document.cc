#include "gitsync/document.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <sstream>
#include <unordered_set>
#include <utility>

#include "gitsync/characters.h"
#include "gitsync/secrets.h"

namespace nelson {
namespace {

constexpr std::string_view kLoadError = "LoadError";
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

/// Ends the reading from within an event. Caught in read_document.
struct Refusal {
  Problem problem;
};

[[noreturn]] void refuse(Place place, std::string message, std::string way_out) {
  throw Refusal{problem_at(place, kLoadError, std::move(message), std::move(way_out))};
}

Place place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

Place place_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return {static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<std::uint32_t>(offset - line_start) + 1};
}

bool is_control(std::string_view text, std::size_t at, std::size_t length) {
  const auto c = static_cast<unsigned char>(text[at]);
  if (length == 1) return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  // U+0080 to U+009F, of which U+0085 is a line break.
  return length == 2 && c == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0 &&
         static_cast<unsigned char>(text[at + 1]) != 0x85;
}

bool is_plain_ascii(char c) { return (c >= 0x20 && c < 0x7F) || c == '\n'; }

void check_characters(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (is_plain_ascii(text[at])) {  // nearly all of nearly every text
      ++at;
      continue;
    }
    const std::size_t length = utf8_length(text, at);
    if (length == 0)
      refuse(place_at(text, at), "not UTF-8 at byte " + std::to_string(at),
             "save the file as UTF-8 without another encoding's mark");
    if (is_control(text, at, length)) refuse(place_at(text, at), "control character at byte " + std::to_string(at), "remove it");
    at += length;
  }
}

/// More brackets are open at some point than any document within the limits could need. yaml-cpp's scanner reads ahead on such a text
/// before its first event, so it is stopped here; quotes are ignored, hence the generous number.
void check_brackets(std::string_view text) {
  constexpr int kMost = 2'000;
  int open = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '[' || text[at] == '{') ++open;
    if (text[at] == ']' || text[at] == '}') open = std::max(0, open - 1);
    if (open > kMost)
      refuse(place_at(text, at), "too deep: more than " + std::to_string(kMost) + " brackets are open", "flatten it");
  }
}

void refuse_tab(std::string_view line, std::uint32_t number) {
  const std::string_view indentation = line.substr(0, std::min(line.size(), line.find_first_not_of(" \t")));
  if (const std::size_t tab = indentation.find('\t'); tab != std::string_view::npos)
    refuse({number, static_cast<std::uint32_t>(tab) + 1}, "a tab as indentation", "indent with spaces");
}

enum class TagKind { kScalar, kSequence, kMapping };

/// Whether the node was given a type that its plain text may not change.
bool check_tag(const std::string& tag, TagKind kind, Place place) {
  if (tag.empty() || tag == "?") return false;
  if (tag == "!") return true;
  static constexpr auto kScalars = std::to_array<std::string_view>({"str", "int", "float", "bool", "null"});
  std::string_view name = tag;
  const bool core = name.starts_with(kTagPrefix);
  if (core) name.remove_prefix(kTagPrefix.size());
  const bool fits = core && (kind == TagKind::kScalar     ? std::find(kScalars.begin(), kScalars.end(), name) != kScalars.end()
                             : kind == TagKind::kSequence ? name == "seq"
                                                          : name == "map");
  if (!fits) refuse(place, "tag " + in_quotes(tag) + " is not understood here", "remove the tag");
  return true;
}

bool is_null_text(std::string_view text) {
  static constexpr auto kNulls = std::to_array<std::string_view>({"", "~", "null", "Null", "NULL"});
  return std::find(kNulls.begin(), kNulls.end(), text) != kNulls.end();
}

/// Whether a plain scalar means a boolean or a number in YAML 1.1, so that it cannot be a key.
bool means_no_text(std::string_view text) {
  static constexpr auto kWords =
      std::to_array<std::string_view>({"yes", "Yes", "YES", "no", "No", "NO", "true", "True", "TRUE", "false", "False", "FALSE",
                                       "on", "On", "ON", "off", "Off", "OFF"});
  if (is_null_text(text) || std::find(kWords.begin(), kWords.end(), text) != kWords.end()) return true;
  const std::size_t start = text.find_first_not_of("+-");
  if (start > 1) return false;  // also when there is none
  const std::string_view rest = text.substr(start);
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF" || rest == ".nan" || rest == ".NaN" || rest == ".NAN") return true;
  if (rest.starts_with("0x"))
    return rest.size() > 2 && rest.substr(2).find_first_not_of("0123456789abcdefABCDEF_") == std::string_view::npos;
  if (rest[0] < '0' || rest[0] > '9') return false;
  return rest.find_first_not_of("0123456789_:.") == std::string_view::npos;
}

/// How large a finished node is; what an alias to it costs.
struct Size {
  std::uint32_t nodes = 0;
  std::uint32_t levels = 0;
  std::size_t text = 0;
};

struct Anchored {
  Node node;
  Size size;
};

/// Builds the tree from events and charges every node, that of an alias too, before it is made.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view text, DuplicateKeys duplicates) : text_(text), duplicates_(duplicates) {
    has_escapes_ = text.find('\\') != std::string_view::npos;
    line_starts_.push_back(0);
    for (std::size_t at = 0; at < text.size(); ++at)
      if (text[at] == '\n') line_starts_.push_back(at + 1);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    const Place place = place_of(mark);
    if (line_of(place).starts_with("---"))
      refuse(place, "more than one document", "keep one; a file holds a single document, without a `---` after it");
    refuse(place, "trailing content after the end of the document", "check the indentation and the brackets above this line");
  }
  void OnDocumentEnd() override { check_last_quote(); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.place = place_of_null(place_of(mark));
    charge({1, 0, 0}, node.place);
    finish(std::move(node), {1, 0, 0}, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    Node node;
    node.place = place_of(mark);
    last_scalar_ = node.place;
    node.place.length = length_of(node.place, value);
    check_indentation(node.place);
    if (value.size() > kDocumentLimits.scalar)
      refuse(node.place, "a text of " + std::to_string(value.size()) + " bytes, at most " + std::to_string(kDocumentLimits.scalar),
             "shorten it");
    node.plain = !check_tag(tag, TagKind::kScalar, node.place);
    const Size size{1, 0, value.size()};
    charge(size, node.place);
    if (has_escapes_) check_escapes(value, node.place);
    node.kind = NodeKind::kScalar;
    if (tag == "tag:yaml.org,2002:null") {
      if (!is_null_text(value)) refuse(node.place, in_quotes(value) + " is not null", "remove the tag");
      node.kind = NodeKind::kNull;
    } else {
      node.text = value;
    }
    finish(std::move(node), size, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Place place = place_of(mark);
    check_indentation(place);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      refuse(place, "an alias inside the very thing it names", "name something that is complete above it");
    charge(found->second.size, place);
    finish(Node(found->second.node), found->second.size, YAML::NullAnchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    check_tag(tag, TagKind::kSequence, place_of(mark));
    open(NodeKind::kSequence, place_of(mark), anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) override {
    check_tag(tag, TagKind::kMapping, place_of(mark));
    open(NodeKind::kMapping, place_of(mark), anchor, style);
  }
  void OnMapEnd() override {
    Frame& frame = frames_.back();
    drop_duplicates(frame.node);
    merge(frame);
    close();
  }

  Node take_root() { return std::move(root_); }
  std::vector<Problem> take_warnings() { return std::move(warnings_); }

 private:
  struct Frame {
    Node node;
    Size size;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool flow = false;
    bool has_key = false;
    bool key_is_merge = false;
    std::string key;
    Place key_place;
    std::vector<Node> merged;
  };

  std::string_view line_of(Place place) const {
    if (place.line == 0 || place.line > line_starts_.size()) return {};
    return text_.substr(line_starts_[place.line - 1]);
  }

  /// Escapes in quotes can name what the file itself may not contain.
  static void check_escapes(const std::string& value, Place place) {
    for (std::size_t at = 0; at < value.size();) {
      const std::size_t length = std::max<std::size_t>(1, utf8_length(value, at));
      if (is_control(value, at, length)) refuse(place, "control character in a text", "remove the escape");
      at += length;
    }
  }

  /// How much of its line a scalar takes: itself where it is written plainly, with its quotes where it has some.
  std::uint32_t length_of(Place place, const std::string& value) const {
    std::string_view rest = line_of(place);
    rest.remove_prefix(std::min<std::size_t>(rest.size(), place.column > 0 ? place.column - 1 : 0));
    if (!value.empty() && rest.starts_with(value) && value.find('\n') == std::string::npos)
      return static_cast<std::uint32_t>(value.size());
    if (rest.empty() || (rest[0] != '"' && rest[0] != '\'')) return 0;
    for (std::size_t at = 1; at < rest.size() && rest[at] != '\n'; ++at) {
      if (rest[0] == '"' && rest[at] == '\\') {
        ++at;
      } else if (rest[at] == rest[0]) {
        if (rest[0] == '"' || at + 1 == rest.size() || rest[at + 1] != rest[0]) return static_cast<std::uint32_t>(at + 1);
        ++at;
      }
    }
    return 0;
  }

  /// Where nothing is written, yaml-cpp tells the place of what comes next; the key or the dash before it says more.
  Place place_of_null(Place place) const {
    const std::string_view rest =
        line_of(place).substr(std::min<std::size_t>(line_of(place).size(), place.column > 0 ? place.column - 1 : 0));
    const std::string_view word = rest.substr(0, rest.find_first_of(" \t\r\n,]}"));
    if (!word.empty() && is_null_text(word)) return place;
    if (frames_.empty()) return {1, 1};
    const Frame& frame = frames_.back();
    if (frame.has_key) return frame.key_place;
    return frame.node.kind == NodeKind::kSequence && !frame.flow ? dash_before(place) : place;
  }

  Place dash_before(Place place) const {
    for (std::size_t number = std::min<std::size_t>(place.line, line_starts_.size()); number > 0; --number) {
      const std::size_t start = line_starts_[number - 1];
      std::size_t end = number == place.line ? start + place.column - 1 : line_starts_[number] - 1;
      std::string_view line = text_.substr(start, std::min(end, text_.size()) - start);
      line = line.substr(0, std::min(line.find('#'), line.size()));
      const std::size_t last = line.find_last_not_of(" \t\r\n");
      if (last == std::string_view::npos) continue;
      return line[last] == '-' ? Place{static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(last) + 1} : place;
    }
    return place;
  }

  /// yaml-cpp takes a tab for a space; the manifest language refuses it as indentation.
  void check_indentation(Place place) const {
    if (frames_.empty() || !frames_.back().flow) refuse_tab(line_of(place), place.line);
  }

  /// yaml-cpp closes a quote at the end of the text by itself, so that a forgotten one swallows the rest of the file.
  void check_last_quote() const {
    std::string_view rest = line_of(last_scalar_);
    rest.remove_prefix(std::min<std::size_t>(rest.size(), last_scalar_.column > 0 ? last_scalar_.column - 1 : 0));
    while (rest.starts_with('&') || rest.starts_with('!')) {
      rest.remove_prefix(std::min(rest.size(), rest.find_first_of(" \t\r\n")));
      rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(" \t\r\n")));
    }
    if (!rest.starts_with('"') && !rest.starts_with('\'')) return;
    const char quote = rest[0];
    for (std::size_t at = 1; at < rest.size(); ++at) {
      if (quote == '"' && rest[at] == '\\')
        ++at;
      else if (rest[at] == quote && quote == '\'' && at + 1 < rest.size() && rest[at + 1] == quote)
        ++at;
      else if (rest[at] == quote)
        return;
    }
    refuse(last_scalar_, "a quote that is never closed", "close it");
  }

  void charge(Size size, Place place) {
    if (frames_.size() + size.levels > kDocumentLimits.levels)
      refuse(place, "too deep: more than " + std::to_string(kDocumentLimits.levels) + " levels", "flatten it");
    nodes_ += size.nodes;
    text_bytes_ += size.text;
    if (nodes_ > kDocumentLimits.nodes)
      refuse(place, "too many nodes: expands to more than " + std::to_string(kDocumentLimits.nodes) + " nodes",
             "split the file or use fewer aliases");
    if (text_bytes_ > kDocumentLimits.expanded_text)
      refuse(place, "expands to more than " + std::to_string(kDocumentLimits.expanded_text) + " bytes of text",
             "use fewer aliases");
  }

  void open(NodeKind kind, Place place, YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
    check_indentation(place);
    if (!frames_.empty() && frames_.back().node.kind == NodeKind::kMapping && !frames_.back().has_key)
      refuse(place, "a key must be text", "write a word before the colon, and close every bracket that is opened here");
    charge({1, 1, 0}, place);
    Frame frame;
    frame.node.kind = kind;
    frame.node.place = place;
    frame.size = {1, 1, 0};
    frame.anchor = anchor;
    frame.flow = style == YAML::EmitterStyle::Flow;
    frames_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    finish(std::move(frame.node), frame.size, frame.anchor);
  }

  void finish(Node node, Size size, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {node, size};
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& parent = frames_.back();
    parent.size.nodes += size.nodes;
    parent.size.text += size.text;
    parent.size.levels = std::max(parent.size.levels, size.levels + 1);
    if (parent.node.kind == NodeKind::kSequence) {
      parent.node.children.push_back(std::move(node));
    } else if (!parent.has_key) {
      take_key(parent, node);
    } else {
      take_value(parent, std::move(node));
    }
  }

  static void take_key(Frame& parent, const Node& node) {
    if (node.kind != NodeKind::kScalar || (node.plain && means_no_text(node.text)))
      refuse(
          node.place,
          "a key must be text, " + (node.kind == NodeKind::kScalar ? in_quotes(node.text) + " is not" : std::string("this is not")),
          "quote it");
    parent.has_key = true;
    parent.key = node.text;
    parent.key_is_merge = node.plain && node.text == "<<";
    parent.key_place = node.place;
  }

  static void take_value(Frame& parent, Node node) {
    parent.has_key = false;
    if (!parent.key_is_merge) {
      node.key = std::move(parent.key);
      node.key_place = parent.key_place;
      parent.node.children.push_back(std::move(node));
      return;
    }
    const auto needs_mapping = [](const Node& merged) {
      if (merged.kind != NodeKind::kMapping)
        refuse(merged.place, "`<<` merges a mapping or a list of mappings, this is neither",
               "name an anchor of a mapping: `<<: *name`");
    };
    if (node.kind != NodeKind::kSequence) {
      needs_mapping(node);
      parent.merged.push_back(std::move(node));
      return;
    }
    for (Node& item : node.children) {
      needs_mapping(item);
      parent.merged.push_back(std::move(item));
    }
  }

  void drop_duplicates(Node& mapping) {
    std::vector<Node>& entries = mapping.children;
    std::vector<std::size_t> order(entries.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return entries[a].key < entries[b].key; });
    std::vector<bool> drop(entries.size());
    bool any = false;
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {
      const Node& earlier = entries[order[i]];
      const Node& later = entries[order[i + 1]];
      if (earlier.key != later.key) continue;
      const std::string message =
          "key " + in_quotes(later.key) + " is given twice, first in line " + std::to_string(earlier.key_place.line);
      if (duplicates_ == DuplicateKeys::kRefuse) refuse(later.key_place, message, "keep one of them");
      Problem warning = problem_at(later.key_place, "DuplicateKey", message + "; the last one counts", "keep one of them");
      warning.warning = true;
      warnings_.push_back(std::move(warning));
      drop[order[i]] = any = true;
    }
    if (!any) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (drop[i]) continue;
      if (kept != i) entries[kept] = std::move(entries[i]);
      ++kept;
    }
    entries.resize(kept);
  }

  static void merge(Frame& frame) {
    if (frame.merged.empty()) return;
    std::unordered_set<std::string> known;
    for (const Node& entry : frame.node.children) known.insert(entry.key);
    for (Node& source : frame.merged)
      for (Node& entry : source.children)
        if (known.insert(entry.key).second) frame.node.children.push_back(std::move(entry));
    frame.merged.clear();
  }

  std::string_view text_;
  DuplicateKeys duplicates_;
  bool has_escapes_ = false;
  std::vector<std::size_t> line_starts_;
  int documents_ = 0;
  std::uint32_t nodes_ = 0;
  std::size_t text_bytes_ = 0;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  Place last_scalar_;
  Node root_;
  std::vector<Problem> warnings_;
};

void check_size(std::string_view bytes) {
  if (bytes.size() > kDocumentLimits.bytes)
    refuse({1, 1}, "the file has " + std::to_string(bytes.size()) + " bytes, at most " + std::to_string(kDocumentLimits.bytes),
           "split it");
}

}  // namespace

const Node* Node::find(std::string_view wanted) const {
  if (kind != NodeKind::kMapping) return nullptr;
  const auto found = std::find_if(children.begin(), children.end(), [&](const Node& entry) { return entry.key == wanted; });
  return found == children.end() ? nullptr : &*found;
}

namespace {

/// The library's own message, unless a tab is the likelier reason.
Problem syntax_problem(std::string_view text, const YAML::Exception& error) {
  const Place place = place_of(error.mark);
  std::string_view line = text;
  for (std::uint32_t i = 1; i < place.line; ++i) line.remove_prefix(std::min(line.size(), line.find('\n') + 1));
  try {
    refuse_tab(line, place.line);
  } catch (Refusal& refusal) {
    return std::move(refusal.problem);
  }
  // yaml-cpp counts on behind the end of the text when that lies within an escape.
  const auto end = static_cast<std::uint32_t>(std::min(line.size(), line.find('\n'))) + 1;
  if (place.column > end) return problem_at({place.line, end}, kLoadError, "the text ends within a quote", "close the quote");
  // It may end with a byte of the text: half a character, or one that drives a terminal.
  return problem_at(place, kLoadError, "the YAML could not be read: " + in_one_line(error.msg, 200),
                    "correct the syntax here or just above; quote a text that holds `: ` or ` #`");
}

Node read_tree(std::string_view text, Builder& builder) {
  check_characters(text);
  check_brackets(text);
  std::istringstream stream{std::string(text)};
  YAML::Parser parser(stream);
  // The second call finds a second document, or the rest of a first one that ended early; the builder refuses both.
  if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  Node root = builder.take_root();
  if (root.place == Place{}) root.place = {1, 1};
  return root;
}

}  // namespace

DocumentReading read_document(std::string_view bytes, DuplicateKeys duplicates) {
  DocumentReading reading;
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  try {
    check_size(bytes);
    Builder builder(bytes, duplicates);
    reading.root = read_tree(bytes, builder);
    reading.problems = builder.take_warnings();
  } catch (Refusal& refusal) {
    reading.problems = {std::move(refusal.problem)};
  } catch (const YAML::Exception& error) {
    reading.problems = {syntax_problem(bytes, error)};
  } catch (const std::exception& error) {
    reading.problems = {
        problem_at({1, 1}, kLoadError, "the YAML could not be read: " + in_one_line(error.what(), 200), "simplify the file")};
  }
  return reading;
}

Problem problem_at(Place place, std::string_view code, std::string message, std::string way_out) {
  Problem problem;
  problem.line = place.line;
  problem.column = place.column;
  problem.length = place.length;
  problem.code = code;
  problem.message = std::move(message);
  problem.way_out = std::move(way_out);
  return problem;
}

void attach_sources(std::string_view bytes, std::vector<Problem>& problems) {
  constexpr std::size_t kLongestLine = 240;
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  std::uint32_t number = 1;
  std::string_view rest = bytes;
  const Problem* before = nullptr;
  for (Problem& problem : problems) {  // by place, so that one walk finds all lines
    if (problem.line == 0) continue;
    if (before != nullptr && before->line == problem.line) {
      problem.source = before->source;
      continue;
    }
    if (problem.line < number) {
      number = 1;
      rest = bytes;
    }
    for (; number < problem.line && !rest.empty(); ++number) rest.remove_prefix(std::min(rest.size() - 1, rest.find('\n')) + 1);
    std::string_view line = rest.substr(0, rest.find('\n'));
    if (line.ends_with('\r')) line.remove_suffix(1);
    before = &problem;
    // What cannot be shown byte by byte could not be underlined either; a tab can.
    std::string shown(line.substr(0, kLongestLine + 1));
    std::replace(shown.begin(), shown.end(), '\t', ' ');
    if (number == problem.line && shown.size() <= kLongestLine && in_one_line(shown, kLongestLine) == shown)
      problem.source = without_secrets(line);
  }
}

std::string in_one_line(std::string_view text, std::size_t most) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    if (at + std::max<std::size_t>(1, length) > most) return out + "...";
    if (length == 0 || is_control(text, at, length) || static_cast<unsigned char>(text[at]) < 0x20)
      out += '?';
    else
      out += text.substr(at, length);
    at += std::max<std::size_t>(1, length);
  }
  return out;
}

std::string in_quotes(std::string_view text) { return '`' + in_one_line(text, 80) + '`'; }

}  // namespace nelson
