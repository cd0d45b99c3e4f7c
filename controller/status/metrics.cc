#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <string>

#include "controller/status/routes.h"
#include "controller/status/text.h"

// Prometheus' text format. What the loop counts comes in by name; what is a matter of the view is counted here.

namespace nelson::status {
namespace {

std::string show(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 40> digits{};
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}

/// Samples by family: a family's lines must stand together under one TYPE line.
class Families {
 public:
  void add(const std::string& family, std::string_view type, std::string_view labels, std::string value) {
    auto& [its_type, lines] = families_[family];
    its_type = type;
    lines += family;
    if (!labels.empty()) lines.append("{").append(labels).append("}");
    lines.append(" ").append(value).append("\n");
  }
  void count(const std::string& family, std::string_view labels, std::uint64_t value) {
    add(family, "counter", labels, std::to_string(value));
  }
  void gauge(const std::string& family, std::string_view labels, double value) { add(family, "gauge", labels, show(value)); }

  [[nodiscard]] std::string text() const {
    std::string out;
    for (const auto& [name, family] : families_) out += "# TYPE " + name + " " + family.first + "\n" + family.second;
    return out;
  }

 private:
  std::map<std::string, std::pair<std::string, std::string>> families_;
};

std::string named(std::string_view name, std::string_view value) { return std::string(name) + "=\"" + label(value) + "\""; }

struct Key {
  std::string name, labels;
};

/// "git_fetches" or "actions{effect=\"launch\"}"; nothing in the name but what the format allows.
Key split_key(const std::string& key) {
  const std::size_t brace = std::min(key.find('{'), key.size());
  Key out{key.substr(0, brace), ""};
  for (char& c : out.name) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!allowed) c = '_';
  }
  if (brace < key.size() && key.back() == '}') out.labels = key.substr(brace + 1, key.size() - brace - 2);
  return out;
}

/// Names that dashboards made for Nelson know stay as they are: `deploy_success_count` and its like.
bool is_known_elsewhere(std::string_view name) { return name.ends_with("_count"); }

void add_given(const ViewInput& input, Families& out) {
  for (const auto& [key, value] : input.counters) {
    const Key split = split_key(key);
    out.count(is_known_elsewhere(split.name) ? split.name : "nelson_" + split.name + "_total", split.labels, value);
  }
  for (const auto& [key, value] : input.gauges) {
    const Key split = split_key(key);
    out.gauge(is_known_elsewhere(split.name) ? split.name : "nelson_" + split.name, split.labels, value);
  }
}

void add_view(const View& view, bool stale, Families& out) {
  const ViewInput& input = view.input;
  out.count("nelson_passes_total", "", input.pass);
  out.gauge("nelson_converged", "", view.converged && !stale ? 1 : 0);
  out.gauge("nelson_started_seconds", "", static_cast<double>(input.started.time_since_epoch().count()) / 1000);

  std::map<std::string_view, std::uint64_t> planned, held;
  for (const Action& action : input.plan.actions) ++planned[word_of(action.effect)];
  for (const auto& [effect, count] : planned)
    out.gauge("nelson_planned_actions", named("effect", effect), static_cast<double>(count));
  for (const Hold& hold : input.plan.held) ++held[hold.code];
  for (const auto& [code, count] : held) out.gauge("nelson_held", named("code", code), static_cast<double>(count));

  std::map<std::pair<std::string_view, StackStatus>, std::uint64_t> stacks;
  for (const auto& [key, bucket] : view.listing().buckets) stacks[{std::get<1>(key), std::get<2>(key)}] += bucket.size();
  for (const auto& [key, count] : stacks)
    out.gauge("nelson_stacks", named("domain", key.first) + "," + named("status", name_of(key.second)), static_cast<double>(count));

  std::map<std::string_view, std::uint64_t> trouble;
  for (const Trouble& t : view.trouble) trouble[t.code] += t.times;
  for (const auto& [code, count] : trouble) out.gauge("nelson_trouble", named("code", code), static_cast<double>(count));
  out.gauge("nelson_problems", "", input.desired ? static_cast<double>(input.desired->problems.size()) : 0);

  for (const auto& [name, domain] : input.observed.domains) {
    const auto part = [&, &domain_name = name](std::string_view which, const Source& source) {
      out.gauge("nelson_source_complete", named("domain", domain_name) + "," + named("part", which), source.complete ? 1 : 0);
    };
    part("scheduler", domain.scheduler);
    part("memory", domain.memory);
    part("discovery", domain.discovery);
    part("balancer", domain.balancer);
  }
}

void add_server(const StatusServer::Counters& counters, Families& out) {
  out.count("nelson_http_connections_total", "", counters.accepted);
  out.count("nelson_http_requests_total", "", counters.requests);
  out.count("nelson_http_refused_total", "", counters.refused);
  out.count("nelson_http_shed_total", "", counters.shed);
  out.count("nelson_http_expired_total", "", counters.expired);
  out.gauge("nelson_http_open_connections", "", static_cast<double>(counters.open));
}

}  // namespace

Content metrics(const Moment& moment) {
  Families families;
  families.gauge("nelson_build_info", named("version", moment.view->input.version), 1);
  families.gauge("nelson_view_age_seconds", "", static_cast<double>(moment.age.count()) / 1000);
  families.gauge("nelson_ready", "", readiness(moment).status == 200 ? 1 : 0);
  add_given(moment.view->input, families);
  add_view(*moment.view, staleness(*moment.view, moment.age).has_value(), families);
  add_server(moment.counters, families);
  Content content;
  content.type = "text/plain; version=0.0.4; charset=utf-8";
  content.body = families.text();
  return content;
}

}  // namespace nelson::status
