#include <memory>
#include <utility>

#include "controller/domains/domain.h"
#include "controller/domains/haproxy/haproxy.h"
#include "controller/domains/local/address_book.h"
#include "controller/domains/local/lighthouse.h"
#include "controller/domains/local/process_group.h"
#include "controller/domains/local/records.h"
#include "controller/domains/local/scheduler.h"

namespace nelson {
namespace {

Error unknown_part(const DomainSettings& settings, const std::string& part, const std::string& value, const std::string& known) {
  return invalid("domains/" + settings.name + ".yml: `" + part + ": " + value + "` is not known; this version knows " + known);
}

/// HAProxy lives in a control group beside those of the owner's stacks, so that the end of the controller's group is not its end.
std::vector<int> doors_for_haproxy(const std::string& owner) {
  std::string missed;
  std::vector<int> doors;
  for (Descriptor& door : StackGroups(group_hierarchies(), owner, "haproxy").make("balancer", {}, missed))
    doors.push_back(door.release());
  return doors;
}

Status add_balancer(Domain& domain, const DomainContext& context, const std::shared_ptr<AddressBook>& addresses) {
  if (domain.settings.balancer == "none") {
    domain.balancer_absent_reason = "domains/" + domain.settings.name + ".yml says `balancer: none`; weights are only reported";
    return {};
  }
  const auto program = find_haproxy();
  if (!program) {
    domain.balancer_absent_reason =
        "haproxy is not installed, so weights are only reported: apt-get install haproxy, or say `balancer: none` in domains/" +
        domain.settings.name + ".yml";
    return {};
  }
  auto balancer =
      open_haproxy({.folder = domain.settings.folder,
                    .program = *program,
                    .drain_limit = domain.settings.drain_limit,
                    .address_of = [addresses](const TrafficKey& key, const Port& port) { return addresses->address_of(key, port); },
                    .doors = [owner = context.owner] { return doors_for_haproxy(owner); },
                    .changed = context.changed,
                    .read_only = context.read_only});
  if (!balancer) return balancer.error();
  domain.balancer = *std::move(balancer);
  return {};
}

}  // namespace

Result<Domain> open_domain(const DomainSettings& settings, const DomainContext& context) {
  if (settings.scheduler != "local") return unknown_part(settings, "scheduler", settings.scheduler, "local");
  if (settings.discovery != "local") return unknown_part(settings, "discovery", settings.discovery, "local");
  if (settings.balancer != "haproxy" && settings.balancer != "none")
    return unknown_part(settings, "balancer", settings.balancer, "haproxy and none");
  if (settings.folder.empty()) return invalid("domains/" + settings.name + ".yml: a local domain needs `folder`, an absolute path");

  Domain domain;
  domain.settings = settings;
  auto book = AddressBook::open(settings.folder, settings.stable_ports, context.read_only);
  if (!book) return book.error();
  const std::shared_ptr<AddressBook> addresses = *std::move(book);

  auto memory = open_local_memory(settings.folder, context.read_only);
  if (!memory) return memory.error();
  domain.memory = *std::move(memory);

  auto scheduler = open_local_scheduler(
      {.settings = settings,
       .owner = context.owner,
       .export_tree = context.export_tree,
       .changed = context.changed,
       .address_of = [addresses](const TrafficKey& key, const Port& port) { return addresses->address_of(key, port); },
       .read_only = context.read_only,
       .program = ""});
  if (!scheduler) return scheduler.error();
  domain.scheduler = *std::move(scheduler);

  auto discovery = open_lighthouse(settings.folder, context.read_only);
  if (!discovery) return discovery.error();
  domain.discovery = *std::move(discovery);

  if (Status balanced = add_balancer(domain, context, addresses); !balanced) return balanced.error();
  return domain;
}

}  // namespace nelson
