#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "state/database.h"
#include "state/store.h"

namespace nelson {

/// What one version of an input part says before the part's own value: whose it is, and whether it was there.
struct PartHeader {
  std::uint8_t kind = 0;
  std::string first, second;  // a name, or a cell's domain and unit; "" where the kind has none
  bool present = true;

  static void visit(auto& self, auto&& field) {
    field("kind", self.kind);
    field("first", self.first);
    field("second", self.second);
    field("present", self.present);
  }
};

/// Whose a part is: PartHeader without `present`.
struct PartKey {
  std::uint8_t kind = 0;
  std::string first, second;

  auto operator<=>(const PartKey&) const = default;
};

/// A pass as stored: its record, and the exclusive or of the content digests of all its inputs, by which a replay knows that it is
/// whole.
struct StoredPass {
  PassRecord record;
  std::uint64_t inputs = 0;

  static void visit(auto& self, auto&& field) {
    field("record", self.record);
    field("inputs", self.inputs);
  }
};

/// The inputs of passes, cut into parts (a cell, a domain, a repository, ...). Each part is kept in the versions it went through, under
/// its name and the pass that brought it, so that a pass costs what changed in it and is read back as the newest version of each
/// part that is not newer than the pass.
class Passes {
 public:
  Passes(Database& database, const StoreOptions& options);

  Status record(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest);
  [[nodiscard]] Result<ReplayedPass> replay(std::uint64_t pass) const;
  [[nodiscard]] Result<std::vector<PassRecord>> list() const;
  [[nodiscard]] Result<std::vector<StoredPass>> stored() const;

 private:
  struct Inputs {
    Desired desired;
    Observed observed;
  };
  /// The digests of parts' contents in their newest versions.
  using Known = SharedMap<PartKey, std::uint64_t>;
  /// A part that is another than known, or gone.
  struct Changed {
    PartKey key;
    std::optional<std::uint64_t> digest;
  };

  Status load();
  /// Calls `changed(header, bytes)` for each part that differs from what is known, until it answers false.
  void compare(const Desired& desired, const Observed& observed, auto&& changed) const;
  enum class Written { kKept, kTooLarge };
  Result<Written> write(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest,
                        bool checkpoint);
  /// Gives up the older half of the passes. False: there is but one.
  Result<bool> make_room();
  Status remove_garbage();

  Database& database_;
  const std::uint64_t keep_;
  const std::uint64_t checkpoint_every_;
  const std::uint64_t most_bytes_;

  bool loaded_ = false;
  Known known_;
  std::optional<Inputs>
      seen_;  // what known_ tells of, when it was seen in this process: then a comparison costs what changed since
  std::uint64_t inputs_ = 0;
  std::uint64_t bytes_ = 0;           // of all versions
  std::vector<std::string> garbage_;  // keys of versions that no pass kept needs; those of one part newest first
  std::optional<StoredPass> last_;
  std::uint64_t last_number_ = 0;
  std::uint64_t last_checkpoint_ = 0;
  bool too_large_ = false;  // said, and not tried again before the next start
};

}  // namespace nelson
