#include <array>
#include <optional>
#include <string>
#include <utility>

#include "controller/base/json.h"
#include "state/passes.h"
#include "state/record.h"
#include "state/subjects.h"
#include "tests/fuzz/numbers.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/tree.h"

// An input is the letter of a kind of record and what stands in its place: encoded bytes, for capital letters the JSON that the local domain
// keeps.

namespace nelson::fuzz {
namespace {

constexpr std::string_view kKey = "key";

/// A record that was damaged after it was sealed is known for damaged, wherever the bit is.
void check_seal(std::string_view value) {
  const std::string record = seal(kKey, value);
  const auto whole = unseal(kKey, record);
  if (!whole || whole->value != value) violated("a sealed record is not what it was");
  if (unseal("kez", record)) violated("a record passes under another key");
  // One bit of each record, told by its content, so that all positions are tried in the end.
  std::string flipped = record;
  const std::uint64_t bit = whole->digest % (8 * record.size());
  flipped[bit / 8] = static_cast<char>(static_cast<unsigned char>(flipped[bit / 8]) ^ (1U << (bit % 8)));
  if (unseal(kKey, flipped)) violated("a flipped bit passes");
  if (unseal(kKey, std::string_view(record).substr(0, record.size() - 1))) violated("a cut record passes");
}

/// The bytes themselves as a sealed record, which they hardly ever are.
void check_unseal(std::string_view bytes) {
  if (const auto found = unseal(kKey, bytes); found && found->value.size() + 12 != bytes.size())
    violated("a record reaches too far");
}

template <class T>
bool check_bytes(std::string_view bytes) {
  const std::optional<T> value = decoded<T>(bytes);
  if (!value) return false;
  if (encoded(*value) != bytes) violated("a value has two encodings");
  return true;
}

template <class T>
bool check_json(std::string_view text) {
  std::optional<T> value;
  try {
    value = json::read<T>(json::parse(text));
  } catch (const json::Json::exception&) {
    return false;
  } catch (const std::invalid_argument&) {
    return false;
  }
  const json::Json printed = json::to_json(*value);
  check_numbers(json::Json::parse(text), printed);
  if (!is_utf8(text)) violated("JSON that is not UTF-8 is taken");
  if (json::to_json(json::read<T>(json::Json::parse(printed.dump()))) != printed) violated("a record changes by being written");
  // A store keeps it as bytes, and those must be the same value.
  const std::optional<T> stored = decoded<T>(encoded(*value));
  if (!stored || !(*stored == *value)) violated("a value of JSON is lost in the store");
  return true;
}

struct Kind {
  char letter;
  bool (*check)(std::string_view);
};

constexpr auto kKinds = std::to_array<Kind>({
    {'h', check_bytes<Head>},
    {'j', check_bytes<JournalEntry>},
    {'s', check_bytes<StackRecord>},
    {'t', check_bytes<TrafficRecord>},
    {'c', check_bytes<Claim>},
    {'p', check_bytes<StoredPass>},
    {'q', check_bytes<PartHeader>},
    {'u', check_bytes<Subject>},
    {'d', check_bytes<Desired>},
    {'o', check_bytes<Observed>},
    {'S', check_json<StackRecord>},
    {'T', check_json<TrafficRecord>},
    {'C', check_json<Claim>},
});

bool run_store_records(std::string_view input) {
  if (input.empty()) return false;
  const std::string_view rest = input.substr(1);
  check_unseal(rest);
  for (const Kind& kind : kKinds) {
    if (kind.letter != input[0]) continue;
    const bool good = kind.check(rest);
    if (good) check_seal(rest);
    return good;
  }
  return false;
}

}  // namespace

Target store_records() { return {"store_records", run_store_records}; }

}  // namespace nelson::fuzz
