#include "controller/loop/perform.h"

namespace nelson {
namespace {

/// The effects on one domain, one member per kind.
class Performer {
 public:
  Performer(Domain& domain, Records& records, Instant now) : domain_(domain), records_(records), now_(now) {}

  Status operator()(const Launch& launch) {
    const StackRecord* known = find(launch.stack);
    // Cut off between record and start: the first submission is the one that counts.
    if (known != nullptr && !known->removed) {
      if (known->incarnation != launch.incarnation)
        return conflict(launch.stack + " is recorded as incarnation " + std::to_string(known->incarnation) + ", not " +
                        std::to_string(launch.incarnation));
      return present(*known, launch.incarnation, launch.settings.instances);
    }
    auto document = domain_.scheduler->render(launch, guid_of(digest_of(launch.identity), launch.incarnation));
    if (!document) return document.error();
    StackRecord record;
    record.stack = launch.stack;
    record.identity = launch.identity;
    record.settings = launch.settings;
    record.commit = launch.commit;
    record.document = *std::move(document);
    record.incarnation = launch.incarnation;
    record.launched = now_;
    if (Status put = write(record); !put) return put;
    return present(record, launch.incarnation, launch.settings.instances);
  }

  Status operator()(const Repair& repair) { return present(repair.stack, repair.incarnation, repair.count); }
  Status operator()(const Scale& scale) { return present(scale.stack, scale.incarnation, scale.count); }

  Status operator()(const Update& update) {
    return change(update.stack, [&update](StackRecord& record) {
      record.settings = update.settings;
      record.commit = update.commit;
    });
  }

  Status operator()(const Note& note) {
    return change(note.stack, [this, &note](StackRecord& record) { stamp(record, note.fact, now_); });
  }

  Status operator()(const Shift& shift) {
    TrafficRecord record = shift.record;
    record.stepped_at = now_;
    return domain_.memory->put(record);
  }

  Status operator()(const DropTraffic& drop) { return domain_.memory->drop(drop.key); }

  Status operator()(const Serve& serve) {
    if (domain_.balancer == nullptr) return no_balancer();
    return domain_.balancer->serve(serve.route);
  }

  Status operator()(const Unserve& unserve) {
    if (domain_.balancer == nullptr) return no_balancer();
    return domain_.balancer->unserve(unserve.key);
  }

  Status operator()(const Publish& publish) { return domain_.discovery->publish(publish.stack, publish.payload); }
  Status operator()(const Unpublish& unpublish) { return domain_.discovery->unpublish(unpublish.stack); }

  Status operator()(const Remove& remove) {
    const StackRecord* record = find(remove.stack);
    if (record == nullptr || (!record->retiring && !record->removed))
      return conflict(remove.stack + " is not recorded as retiring, so it is not stopped");
    // Records and scheduler are asked one after the other, and one of them may have answered from the past.
    if (record->incarnation != remove.incarnation)
      return conflict(remove.stack + " is recorded as incarnation " + std::to_string(record->incarnation) + ", not " +
                      std::to_string(remove.incarnation) + ", so it is not stopped");
    return domain_.scheduler->ensure_absent(remove.stack, remove.incarnation);
  }

  Status operator()(const Bury& effect) { return change(effect.stack, bury); }

 private:
  [[nodiscard]] const StackRecord* find(const std::string& stack) const {
    const auto found = records_.find(stack);
    return found == records_.end() ? nullptr : &found->second;
  }

  Error no_balancer() const {
    return unavailable("domain " + domain_.settings.name + " has no balancer: " + domain_.balancer_absent_reason);
  }

  Status write(const StackRecord& record) {
    Status put = domain_.memory->put(record);
    if (put) records_[record.stack] = record;
    return put;
  }

  template <class Change>
  Status change(const std::string& stack, Change apply) {
    const StackRecord* known = find(stack);
    if (known == nullptr) return conflict(stack + " has no record");
    StackRecord record = *known;
    apply(record);
    if (record == *known) return {};
    return write(record);
  }

  Status present(const std::string& stack, std::uint32_t incarnation, std::int32_t count) {
    const StackRecord* record = find(stack);
    if (record == nullptr || record->removed) return conflict(stack + " has no record to start it from");
    return present(*record, incarnation, count);
  }

  Status present(const StackRecord& record, std::uint32_t incarnation, std::int32_t count) {
    if (record.incarnation != incarnation)
      return conflict(record.stack + " is recorded as incarnation " + std::to_string(record.incarnation) + ", not " +
                      std::to_string(incarnation));
    return domain_.scheduler->ensure_present({record.stack, incarnation, record.document, count});
  }

  Domain& domain_;
  Records& records_;
  Instant now_;
};

}  // namespace

Status perform(const Effect& effect, Domain& domain, Records& records, Instant now) {
  return std::visit(Performer(domain, records, now), effect);
}

}  // namespace nelson
