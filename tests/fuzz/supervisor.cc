#include <string>
#include <utility>

#include "controller/domains/local/supervisor_document.h"
#include "controller/domains/local/supervisor_protocol.h"
#include "state/model/canonical.h"
#include "tests/fuzz/numbers.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/tree.h"

// An input is a letter for who reads it, and one line of what a supervisor and the scheduler say to each other, or a stack's document.

namespace nelson::fuzz {
namespace {

constexpr std::size_t kLongestError = 1'000;

template <class T>
void check_error(const Result<T>& result) {
  if (result) return;
  if (result.error().kind != ErrorKind::kInvalid)
    violated("what cannot be read is said to be something else: " + result.error().message);
  if (result.error().message.empty()) violated("refused without a word");
  if (result.error().message.size() > kLongestError)
    violated("refused in " + std::to_string(result.error().message.size()) + " bytes");
  if (!is_utf8(result.error().message)) violated("refused in what is not UTF-8: " + result.error().message);
}

void check_line(const std::string& line) {
  if (line.find('\n') != line.size() - 1) violated("what is said is not one line: " + line);
  if (!is_utf8(line)) violated("what is said is not UTF-8: " + line);
}

bool same(const SupervisorHello& a, const SupervisorHello& b) {
  return a.protocol == b.protocol && a.stack == b.stack && a.incarnation == b.incarnation && a.document_digest == b.document_digest;
}
bool same(const SupervisorRequest& a, const SupervisorRequest& b) { return a.verb == b.verb && a.count == b.count; }
bool same(const Running& a, const Running& b) { return a == b; }

/// What is read, said again and read again is the same.
template <class T>
bool check_said(Result<T> (*read)(std::string_view), std::string (*say)(const T&), std::string_view text) {
  const Result<T> first = read(text);
  check_error(first);
  if (!first) return false;
  const std::string line = say(*first);
  check_line(line);
  const Result<T> again = read(line);
  if (!again || !same(*first, *again)) violated("said again it is something else: " + line);
  check_numbers(json::Json::parse(text), json::Json::parse(line));
  return true;
}

bool check_answer(std::string_view text) {
  const Status outcome = read_answer(text);
  if (outcome) return true;
  const std::string line = answer_line(outcome);
  check_line(line);
  const Status again = read_answer(line);
  if (again) violated("a refusal said again is none");
  return outcome.error().kind == ErrorKind::kUnavailable;
}

bool check_document(std::string_view text) {
  const Result<LocalDocument> document = read_document(text);
  check_error(document);
  if (!document) return false;
  if (canonical(*document).size() > 16 * text.size() + 4096) violated("a document that grows");
  for (const Port& port : document->ports) static_cast<void>(address_variable(document->unit, port.name));
  return true;
}

bool run_supervisor(std::string_view input) {
  if (input.empty()) return false;
  const std::string_view text = input.substr(1);
  switch (input[0]) {
    case 'h':
      return check_said<SupervisorHello>(read_hello, to_line, text);
    case 'q':
      return check_said<SupervisorRequest>(read_request, to_line, text);
    case 's':
      return check_said<Running>(read_status, status_line, text);
    case 'a':
      return check_answer(text);
    case 'd':
      return check_document(text);
    default:
      return false;
  }
}

}  // namespace

Target supervisor() { return {"supervisor", run_supervisor}; }

}  // namespace nelson::fuzz
