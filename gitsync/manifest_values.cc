#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "gitsync/characters.h"
#include "gitsync/manifest_parts.h"
#include "gitsync/schedule.h"
#include "state/model/names.h"

namespace nelson {
namespace {

bool parse_blueprint(std::string_view text, Workflow& out) {
  const std::size_t at = text.find('@');
  const std::string_view name = text.substr(0, at);
  const std::string_view revision = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  const bool named =
      !name.empty() && name.size() <= 255 && std::none_of(name.begin(), name.end(), [](char c) { return is_space(c) || c == '/'; });
  if (!named || revision.find('@') != std::string_view::npos) return false;
  out.blueprint = name;
  out.revision.reset();
  if (revision.empty() || lower_case(revision) == "head") return true;
  std::int64_t number = 0;
  const auto [next, error] = std::from_chars(revision.data(), revision.data() + revision.size(), number);
  if (error != std::errc() || next != revision.data() + revision.size()) return false;
  out.revision = number;
  return true;
}

constexpr auto kWorkflowFields = std::to_array<Field<Workflow>>({
    {"kind", When::kOptional, [](Reading& in, const Node& node, Workflow& w) { in.name_of_enum(node, "InvalidWorkflow", w.kind); },
     [] { return shape::names_of(kNames<WorkflowKind>); }},
    {"blueprint", When::kOptional,
     [](Reading& in, const Node& node, Workflow& w) {
       std::string text;
       if (in.text(node, text) && !parse_blueprint(text, w))
         in.report(node.place, "InvalidBlueprintReference", {text, "what follows `@` is HEAD or a number"});
     },
     [] { return shape::text("^[^\\s/@]{1,255}(@([Hh][Ee][Aa][Dd]|-?[0-9]{1,19})?)?$"); }},
});

}  // namespace

bool read_simple_name(Reading& in, const Node& node, std::string_view label, std::string& out) {
  std::string name;
  if (!in.text(node, name)) return false;
  if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '-'; })) {
    in.report(node.place, "InvalidAlphaNumHyphen", {name, std::string(label)});
    return false;
  }
  if (name.size() > kLongestName) {
    in.report(node.place, "NameTooLong", {name, std::string(label), std::to_string(kLongestName)});
    return false;
  }
  out = std::move(name);
  return true;
}

bool is_port_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && (is_letter(name[0]) || name[0] == '_') &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '_'; });
}

Result<Port> parse_port(std::string_view text) {
  const std::size_t arrow = text.find("->");
  const std::size_t slash = text.rfind('/');
  if (arrow == std::string_view::npos || slash == std::string_view::npos || slash < arrow)
    return invalid(in_quotes(text) + " is not of the form name->number/protocol");
  const std::string_view name = trimmed(text.substr(0, arrow));
  const std::string_view number = trimmed(text.substr(arrow + 2, slash - arrow - 2));
  const std::string_view protocol = trimmed(text.substr(slash + 1));
  if (!is_port_name(name))
    return invalid(in_quotes(text) + ": a port's name is a letter or _, then letters, digits or _, at most 64");
  unsigned value = 0;
  const auto [next, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (number.empty() || error != std::errc() || next != number.data() + number.size() || value < 1 || value > 65535)
    return invalid(in_quotes(text) + ": the number must lie between 1 and 65535");
  const auto known = from_name<Protocol>(protocol);
  if (!known) return invalid(in_quotes(text) + ": the protocol must be http, https, tcp or wss");
  return Port{std::string(name), static_cast<std::uint16_t>(value), *known};
}

std::optional<Destination> parse_destination(std::string_view text) {
  const std::size_t arrow = text.find("->");
  if (arrow == std::string_view::npos) return std::nullopt;
  const std::string_view unit = trimmed(text.substr(0, arrow));
  const std::string_view port = trimmed(text.substr(arrow + 2));
  if (!valid_unit_name(unit) || !is_port_name(port)) return std::nullopt;
  return Destination{std::string(unit), std::string(port)};
}

std::string snake_case(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_space(c) || c == '_') {
      if (out.empty() || out.back() != '_') out += '_';
      continue;
    }
    const bool after_lower = i > 0 && is_lower(text[i - 1]);
    const bool ends_run = i > 0 && is_upper(text[i - 1]) && i + 1 < text.size() && is_lower(text[i + 1]);
    if (is_upper(c) && (after_lower || ends_run)) out += '_';
    out += is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

bool is_email(std::string_view text) {
  const std::size_t at = text.find('@');
  const std::size_t dot = text.rfind('.');
  if (at == std::string_view::npos || at == 0 || dot == std::string_view::npos || dot <= at + 1) return false;
  const auto all = [](std::string_view part, std::string_view extra) {
    return std::all_of(part.begin(), part.end(),
                       [&](char c) { return is_alphanumeric(c) || extra.find(c) != std::string_view::npos; });
  };
  const std::string_view top = text.substr(dot + 1);
  return all(text.substr(0, at), "._%+-") && all(text.substr(at + 1, dot - at - 1), ".-") && top.size() >= 2 && top.size() <= 4 &&
         std::all_of(top.begin(), top.end(), is_letter);
}

bool is_uri(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) <= 0x20 || std::string_view("^{}|\\\"<>`").find(c) != std::string_view::npos) return false;
    if (c != '%') continue;
    const auto hex = [&](std::size_t at) {
      return at < text.size() && (is_digit(text[at]) || std::string_view("abcdefABCDEF").find(text[at]) != std::string_view::npos);
    };
    if (!hex(i + 1) || !hex(i + 2)) return false;
  }
  const std::size_t colon = text.find(':');
  const std::size_t stop = text.find_first_of("/?#");
  if (colon == std::string_view::npos || (stop != std::string_view::npos && stop < colon)) return true;
  const std::string_view scheme = text.substr(0, colon);
  const std::string_view body = text.substr(colon + 1);
  return !scheme.empty() && is_letter(scheme[0]) && !body.empty() && body != "//" && body[0] != '#' &&
         std::all_of(scheme.begin(), scheme.end(), [](char c) { return is_alphanumeric(c) || c == '+' || c == '-' || c == '.'; });
}

bool read_schedule(Reading& in, const Node& node, std::string& out) {
  std::string text;
  if (!in.text(node, text)) return false;
  auto schedule = normalized_schedule(text);
  if (!schedule) {
    in.report(node.place, "InvalidSchedule", {schedule.error().message, in.path()});
    return false;
  }
  out = std::move(schedule).value();
  if (never_runs(out)) in.report(node.place, "ImpossibleSchedule", {text});
  return true;
}

void read_timezone(Reading& in, const Node& node, std::string& out) {
  std::string text;
  if (!in.text(node, text)) return;
  if (!valid_timezone(text)) {
    in.report(node.place, "InvalidTimezone", {text, in.path()});
    return;
  }
  out = text == "UTC" ? std::string() : std::move(text);
}

void read_policy(Reading& in, const Node& node, std::optional<ExpirationPolicy>& out) {
  // The reference's own samples use this name.
  if (node.kind == NodeKind::kScalar && node.text == "retain-always") {
    out = ExpirationPolicy::kRetainUntilDeprecated;
    return;
  }
  ExpirationPolicy policy{};
  if (in.name_of_enum(node, "UnknownExpirationPolicyRef", policy)) out = policy;
}

void read_workflow(Reading& in, const Node& node, std::optional<Workflow>& out) {
  Workflow workflow;
  if (node.kind == NodeKind::kScalar) {
    if (in.name_of_enum(node, "InvalidWorkflow", workflow.kind)) out = workflow;
    return;
  }
  workflow.kind = WorkflowKind::kPulsar;  // a mapping that names no kind (spec/manifest 5.7)
  if (const Node* const kind = node.find("kind"); kind != nullptr && kind->kind == NodeKind::kNull)
    in.report(kind->key_place, "InvalidWorkflow", {"workflow.kind", "", "magnetar, canopus, pulsar"});
  if (read_object(in, node, "workflow", kWorkflowFields, workflow)) out = workflow;
}

Shape workflow_shape() { return shape::either({shape::names_of(kNames<WorkflowKind>), shape_of(kWorkflowFields)}); }

void check_count(Reading& in, const Node& node, std::string_view what, std::size_t most) {
  if (node.children.size() > most)
    in.report(node.place, "TooMany", {std::to_string(node.children.size()), std::string(what), std::to_string(most)});
}

Place name_place(const Node& object) {
  const Node* name = object.find("name");
  return name == nullptr ? object.place : name->place;
}

}  // namespace nelson
