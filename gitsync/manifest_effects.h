#pragma once

#include <array>
#include <string_view>

#include "state/model/reflect.h"

namespace nelson {

/// What a change of a manifest's key does to what runs (semantics 3).
enum class Effect {
  kStack,    // in the digest: a new stack
  kInPlace,  // outside the digest: applied to the stack that is there
  kPlace,    // which stacks there are: domains, namespaces, names
  kPeople,   // for people alone
};
template <>
inline constexpr auto kNames<Effect> = std::to_array<std::string_view>({"a new stack", "in place", "which stacks there are",
                                                                        "for people"});

/// A key and all below it that have no row of their own.
struct ManifestEffect {
  std::string_view key;
  Effect effect;
};

/// Frozen: moving a row between the first two renames stacks, or changes running ones, of everybody who uses the key.
inline constexpr auto kManifestEffects = std::to_array<ManifestEffect>({
    {"domains", Effect::kPlace},
    {"datacenters", Effect::kPlace},
    {"notifications", Effect::kPeople},
    {"units[].name", Effect::kPlace},
    {"units[].description", Effect::kPeople},
    {"units[].ports", Effect::kStack},
    {"units[].dependencies", Effect::kStack},
    {"units[].resources", Effect::kStack},
    {"units[].resources[].description", Effect::kPeople},
    {"units[].meta", Effect::kStack},
    {"units[].alerting", Effect::kInPlace},
    {"units[].workflow", Effect::kStack},
    {"units[].schedule", Effect::kStack},
    {"units[].timezone", Effect::kStack},
    {"units[].expiration_policy", Effect::kInPlace},
    {"plans[].name", Effect::kPlace},
    {"plans[].cpu", Effect::kStack},
    {"plans[].cpu_request", Effect::kStack},
    {"plans[].memory", Effect::kStack},
    {"plans[].memory_request", Effect::kStack},
    {"plans[].instances", Effect::kInPlace},
    {"plans[].retries", Effect::kStack},
    {"plans[].constraints", Effect::kStack},
    {"plans[].environment", Effect::kStack},
    {"plans[].alert_opt_outs", Effect::kInPlace},
    {"plans[].health_checks", Effect::kStack},
    {"plans[].resources", Effect::kStack},
    {"plans[].schedule", Effect::kStack},
    {"plans[].timezone", Effect::kStack},
    {"plans[].expiration_policy", Effect::kInPlace},
    {"plans[].traffic_shift", Effect::kInPlace},
    {"plans[].volumes", Effect::kStack},
    {"plans[].workflow", Effect::kStack},
    {"loadbalancers", Effect::kInPlace},
    {"namespaces", Effect::kPlace},
});

}  // namespace nelson
