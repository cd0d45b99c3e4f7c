#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "state/database.h"
#include "state/open.h"
#include "tests/faults/yard.h"

// The store's files as somebody or something left them, under the real binary: each ends in the same stacks, untouched, or in a refusal that
// says why; never in a signal, and never in another history than the one that was. NELSON_FAULTS_DAMAGES bits and lengths, else 6.

namespace nelson::faults {
namespace {

namespace fs = std::filesystem;
using datacenter::Process;
using datacenter::read_text;
using datacenter::write_text;
using Json = nlohmann::json;

std::string database(Lane& lane) { return lane.world().store_folder() + "/database"; }
std::string data_file(Lane& lane) { return database(lane) + "/data.mdb"; }

/// The journal by number, as the status server tells it.
std::map<std::uint64_t, Json> history(Lane& lane) {
  std::map<std::uint64_t, Json> entries;
  const Json told = Json::parse(datacenter::http_get(lane.world().page_port(), "/v1/history?limit=500").body, nullptr, false);
  if (told.is_array())
    for (const Json& entry : told) entries.emplace(entry.value("sequence", std::uint64_t{0}), entry);
  return entries;
}

enum class Ends { kAsBefore, kRefused, kEither };

struct Damage {
  std::string name;
  std::function<void(Lane& lane)> done;
  Ends ends = Ends::kEither;
  std::string says = "";  // when it is refused
};

void expect_refused(Lane& lane, const Damage& damage) {
  const std::optional<int> status = lane.world().controller().wait(Seconds(10));
  EXPECT_TRUE(status == 2 || status == 70) << status.value_or(-1) << ": " << lane.said();
  EXPECT_NE(lane.said().find(lane.world().store_folder()), std::string::npos) << lane.said();
  EXPECT_NE(lane.said().find(damage.says), std::string::npos) << lane.said();
}

/// Nothing is told of a time that is not what was told before; and where nothing was lost, nothing is missing.
void expect_true_history(Lane& lane, const std::map<std::uint64_t, Json>& before, Ends ends) {
  const std::string notice = lane.world().status().store_notice;
  if (ends == Ends::kAsBefore) EXPECT_EQ(notice, "");
  if (!notice.empty()) return;
  const std::map<std::uint64_t, Json> told = history(lane);
  for (const auto& [sequence, entry] : before) {
    const auto still = told.find(sequence);
    if (still != told.end())
      EXPECT_EQ(still->second, entry);
    else
      EXPECT_NE(ends, Ends::kAsBefore) << "entry " << sequence << " is gone";
  }
}

void damage_and_start(Lane& lane, const Damage& damage) {
  const std::vector<Process> before = lane.instances();
  const std::map<std::uint64_t, Json> told = history(lane);
  EXPECT_FALSE(told.empty());
  lane.world().kill_controller();
  damage.done(lane);
  const std::string bytes = read_text(data_file(lane));
  const bool started = lane.start();
  if (damage.ends != Ends::kEither) EXPECT_EQ(started, damage.ends == Ends::kAsBefore) << lane.said();
  if (started) {
    EXPECT_TRUE(lane.wait_settled()) << lane.world().why();
    expect_true_history(lane, told, damage.ends);
  } else {
    expect_refused(lane, damage);
    if (damage.ends == Ends::kRefused) EXPECT_EQ(read_text(data_file(lane)), bytes) << "what is refused is not touched";
    lane.shim().take_back();
    fs::rename(database(lane), database(lane) + ".kept");
    EXPECT_TRUE(lane.be_settled()) << lane.said() << lane.world().why();
  }
  EXPECT_EQ(lane.instances(), before);
  lane.begin_anew();
}

void write_newer_schema(Lane& lane) {
  auto environment = lmdb::Environment::open({database(lane), std::size_t{1} << 30, false, {}});
  ASSERT_TRUE(environment);
  ASSERT_TRUE((*environment)->open_tables(lmdb::Environment::Missing::kStop));
  Database records(*environment, database(lane), 0);
  auto change = records.change(Database::Room::kNotNeeded);
  ASSERT_TRUE(change);
  change->put(lmdb::Table::kNow, kSchemaKey, Schema{kSchemaVersion + 1, 7});
  ASSERT_TRUE(change->commit(std::nullopt));
}

/// Headers and pointers are few and matter most: every second bit falls among them.
Damage flipped_bit(std::uint64_t number) {
  return {"a flipped bit, " + std::to_string(number), [number](Lane& lane) {
            std::mt19937_64 random(seed() + number);
            std::string bytes = read_text(data_file(lane));
            const std::uint64_t pages = bytes.size() / 4096;
            const std::uint64_t bit =
                number % 2 == 0 ? (random() % pages) * 4096 * 8 + random() % (8 * 160) : random() % (8 * bytes.size());
            bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
            write_text(data_file(lane), bytes);
          }};
}

Damage cut_short(std::uint64_t number) {
  return {"a truncated file, " + std::to_string(number), [number](Lane& lane) {
            std::mt19937_64 random(seed() + number);
            fs::resize_file(data_file(lane), random() % fs::file_size(data_file(lane)));
          }};
}

TEST(StoreFiles, HoweverTheyWereLeft) {
  std::vector<Damage> damages = {
      {"no lock files",
       [](Lane& lane) {
         fs::remove(database(lane) + "/lock.mdb");
         fs::remove(database(lane) + "/lock");
       },
       Ends::kAsBefore},
      {"a foreign file", [](Lane& lane) { write_text(data_file(lane), "dear diary\n"); }, Ends::kRefused, "not an LMDB file"},
      {"a newer schema", write_newer_schema, Ends::kRefused, "newer nelson"},
      {"a file that all may write", [](Lane& lane) { fs::permissions(data_file(lane), fs::perms(0666)); }, Ends::kRefused,
       "chmod 0600"},
      {"a folder that all may write", [](Lane& lane) { fs::permissions(database(lane), fs::perms(0777)); }, Ends::kRefused,
       "chmod 0700"},
      {"a read-only file system",
       [](Lane& lane) {
         lane.shim().give({Deed::kFailFrom, kAll, EROFS, 1, "/store/"});
       },
       Ends::kRefused, "Read-only"},
  };
  for (std::uint64_t i = 0; i < number_from("NELSON_FAULTS_DAMAGES", 6); ++i) {
    damages.push_back(flipped_bit(i));
    damages.push_back(cut_short(i));
  }
  std::vector<Story> stories;
  for (const Damage& damage : damages) stories.push_back({damage.name, [damage](Lane& lane) { damage_and_start(lane, damage); }});
  tell(stories);
}

}  // namespace
}  // namespace nelson::faults
