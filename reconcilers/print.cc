#include "reconcilers/print.h"

#include <algorithm>
#include <map>
#include <set>

#include "state/model/names.h"

namespace nelson {
namespace {

std::string version_of(const std::string& stack) {
  const auto name = parse_stack_name(stack);
  return name ? to_string(name->version) + " (" + stack + ')' : stack;
}

std::string instances(std::int32_t count) { return std::to_string(count) + (count == 1 ? " instance" : " instances"); }

std::string shares(const std::vector<Weight>& weights) {
  std::string out;
  for (const Weight& weight : weights) {
    const auto name = parse_stack_name(weight.stack);
    out += (out.empty() ? "" : ", ") + (name ? to_string(name->version) + '-' + name->hash : weight.stack) + ' ' +
           std::to_string(weight.percent) + '%';
  }
  return out;
}

std::string shares(const Route& route) {
  std::vector<Weight> weights;
  for (const Backend& backend : route.backends) weights.push_back({backend.stack, backend.percent});
  return shares(weights);
}

Line words(const Launch& launch) {
  const bool job = !launch.identity.spec.schedule.empty();
  return {
      '+', "launch", "",
      version_of(launch.stack) + ", " + (job ? "schedule " + launch.identity.spec.schedule : instances(launch.settings.instances)),
      ""};
}
Line words(const Repair& repair) { return {'~', "repair", "", version_of(repair.stack) + ", " + instances(repair.count), ""}; }
Line words(const Update& update) { return {'~', "update", "", version_of(update.stack), ""}; }
Line words(const Scale& scale) { return {'~', "scale", "", version_of(scale.stack) + " to " + instances(scale.count), ""}; }
Line words(const Note& note) {
  const bool retires = note.fact == Fact::kRetiring || note.fact == Fact::kRetiringIdle;
  return {retires ? '-' : ' ', retires ? "retire" : "note " + std::string(name_of(note.fact)), "", version_of(note.stack), ""};
}
Line words(const Shift& shift) { return {'~', "shift traffic", "", shares(shift.record.weights), ""}; }
Line words(const DropTraffic& drop) { return {'-', "drop traffic", "", "major " + std::to_string(drop.key.major), ""}; }
Line words(const Serve& serve) { return {'~', "serve", "", shares(serve.route), ""}; }
Line words(const Unserve& unserve) { return {'-', "serve no more", "", "major " + std::to_string(unserve.key.major), ""}; }
Line words(const Publish& publish) { return {' ', "publish", "", version_of(publish.stack), ""}; }
Line words(const Unpublish& unpublish) { return {' ', "unpublish", "", version_of(unpublish.stack), ""}; }
Line words(const Remove& remove) { return {'-', "stop", "", version_of(remove.stack), ""}; }
Line words(const Bury& bury) { return {' ', "bury", "", version_of(bury.stack), ""}; }

std::string subject_of(const CellKey& cell, const std::string& name_space) {
  return cell.domain + ' ' + (name_space.empty() ? "" : name_space + '/') + cell.unit;
}

/// Untrusted text (a check's detail, an engine's message) must not move the cursor.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

}  // namespace

Line line_of(const Action& action) {
  Line line = std::visit([](const auto& effect) { return words(effect); }, action.effect);
  line.subject = subject_of(action.cell, action.name_space);
  line.reason = action.reason;
  return line;
}

Line line_of(const Hold& hold) {
  return {hold.trouble ? '!' : ' ', "hold", subject_of(hold.cell, hold.name_space),
          hold.subject == hold.cell.unit ? "" : version_of(hold.subject), hold.reason + "; until " + hold.clears_when};
}

bool is_bookkeeping(const Effect& effect) {
  if (const auto* note = std::get_if<Note>(&effect)) return note->fact != Fact::kRetiring && note->fact != Fact::kRetiringIdle;
  return std::holds_alternative<Publish>(effect) || std::holds_alternative<Unpublish>(effect) ||
         std::holds_alternative<Bury>(effect) || std::holds_alternative<Serve>(effect);
}

std::string print(const std::vector<Line>& lines) {
  std::size_t verb = 0, subject = 0, detail = 0;
  for (const Line& line : lines) {
    verb = std::max(verb, line.verb.size());
    subject = std::max(subject, line.subject.size());
    detail = std::min<std::size_t>(std::max(detail, line.detail.size()), 60);
  }
  std::string out;
  for (const Line& line : lines) {
    std::string text = std::string(1, line.sign) + ' ' + padded(line.verb, verb) + "  " + padded(line.subject, subject) + "  " +
                       padded(line.detail, detail) + "  " + line.reason;
    text.erase(text.find_last_not_of(' ') + 1);
    out += printable(text) + '\n';
  }
  return out;
}

std::string print(const Plan& plan) {
  std::vector<Line> lines;
  for (const Action& action : plan.actions) lines.push_back(line_of(action));
  for (const Hold& hold : plan.held) lines.push_back(line_of(hold));
  return print(lines);
}

std::vector<std::string> summarize(const std::vector<ForecastStep>& steps) {
  // Of a course only its beginning and its end are news; of the rest, what is not bookkeeping.
  std::map<TrafficKey, std::size_t> last;
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (const auto* shift = std::get_if<Shift>(&steps[i].action.effect)) last[shift->record.key] = i;
  std::vector<std::string> out;
  std::set<TrafficKey> begun;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const ForecastStep& step = steps[i];
    const auto* const shift = std::get_if<Shift>(&step.action.effect);
    const auto* const note = std::get_if<Note>(&step.action.effect);
    const bool first_step = shift != nullptr && (begun.insert(shift->record.key).second || shift->record.steps == 0);
    const bool ready = note != nullptr && note->fact == Fact::kReady;
    if (is_bookkeeping(step.action.effect) && !ready) continue;
    if (shift != nullptr && !first_step && last[shift->record.key] != i) continue;
    const Line line = line_of(step.action);
    std::string text = step.after == Duration::zero() ? "at once" : "after " + format_duration(step.after);
    text += ": " + (ready ? "ready after health" : line.verb) + ' ' + line.subject + ' ' + line.detail;
    if (shift != nullptr && first_step && last[shift->record.key] != i)
      text += ", over " + format_duration(shift->record.shift.duration) + ' ' + std::string(name_of(shift->record.shift.policy));
    out.push_back(printable(text));
  }
  return out;
}

}  // namespace nelson
