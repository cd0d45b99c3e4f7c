#include "controller/domains/local/address_book.h"

#include <sys/stat.h>

#include "controller/base/durable.h"
#include "controller/base/files.h"
#include "controller/base/json.h"
#include "state/model/canonical.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

/// One line of the file.
struct Line {
  std::string name_space;
  std::string unit;
  std::uint32_t major = 0;
  std::string port;
  std::uint16_t number = 0;

  static void visit(auto& self, auto&& field) {
    field("namespace", self.name_space);
    field("unit", self.unit);
    field("major", self.major);
    field("port", self.port);
    field("number", self.number);
  }
};

constexpr std::size_t kFileBytes = std::size_t{16} << 20;

}  // namespace

Result<std::unique_ptr<AddressBook>> AddressBook::open(const std::string& folder, PortRange range, bool read_only) {
  std::unique_ptr<AddressBook> book(new AddressBook(folder + "/ports.json", range, read_only));
  if (!read_only)
    if (Status made = make_folders(folder, 0711); !made) return made.error();
  if (Status loaded = book->load(); !loaded) return loaded.error();
  return book;
}

Status AddressBook::load() {
  struct stat about {};
  if (::lstat(path_.c_str(), &about) != 0 && errno == ENOENT) return {};
  const auto text = read_file(path_, kFileBytes);
  if (!text) return text.error();
  try {
    for (const Line& line : json::read<std::vector<Line>>(json::parse(*text).at("ports"))) {
      const Entry entry{line.name_space, line.unit, line.major, line.port};
      if (!numbers_.emplace(entry, line.number).second || !taken_.emplace(line.number, entry).second)
        return invalid(path_ + ": port " + std::to_string(line.number) + " of " + line.unit +
                       " is listed twice: remove one of the two lines");
    }
  } catch (const std::exception& error) {
    return invalid(path_ + ": " + error.what() +
                   "; put its backup back, or remove it: most services then get the same ports again");
  }
  return {};
}

Status AddressBook::save() const {
  json::Json out;
  out["ports"] = json::Json::array();
  for (const auto& [entry, number] : numbers_)
    out["ports"].push_back(json::to_json(Line{entry.name_space, entry.unit, entry.major, entry.port, number}));
  return replace_file(path_, out.dump(2) + "\n", 0600);
}

std::uint16_t AddressBook::choose(const Entry& entry) const {
  std::string encoded;
  for (const std::string& part : {entry.name_space, entry.unit, std::to_string(entry.major), entry.port})
    append_netstring(encoded, part);
  const Digest digest = sha256(encoded);
  const std::uint32_t size = range_.last >= range_.first ? range_.last - range_.first + 1u : 0u;
  const std::uint32_t start = digest.bytes[0] << 24 | digest.bytes[1] << 16 | digest.bytes[2] << 8 | digest.bytes[3];
  for (std::uint32_t step = 0; step < size; ++step) {
    const auto number = static_cast<std::uint16_t>(range_.first + (start % size + step) % size);
    if (!taken_.contains(number)) return number;
  }
  return 0;
}

Result<Endpoint> AddressBook::address_of(const TrafficKey& key, const Port& port) {
  const std::lock_guard guard(mutex_);
  const Entry entry{key.name_space, key.unit, key.major, port.name};
  if (const auto found = numbers_.find(entry); found != numbers_.end()) return Endpoint{port.name, "127.0.0.1", found->second};
  const std::uint16_t number = choose(entry);
  if (number == 0)
    return invalid("no stable port is left for " + key.name_space + "/" + key.unit + ":" + std::to_string(key.major) + " port " +
                   port.name + ": all of " + std::to_string(range_.first) + " to " + std::to_string(range_.last) +
                   " are given away; widen `stable_ports` in domains/" + key.domain + ".yml");
  numbers_.emplace(entry, number);
  taken_.emplace(number, entry);
  if (read_only_) return Endpoint{port.name, "127.0.0.1", number};
  if (Status saved = save(); !saved) {
    numbers_.erase(entry);
    taken_.erase(number);
    return saved.error();
  }
  return Endpoint{port.name, "127.0.0.1", number};
}

}  // namespace nelson
