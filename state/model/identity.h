#pragma once

#include <cstdint>
#include <string>

#include "state/model/digest.h"
#include "state/model/spec.h"
#include "state/model/version.h"

namespace nelson {

/// What a stack is. Two stacks are the same one exactly when these are equal (semantics 3).
struct Identity {
  std::string owner;  // the control repository's stable id
  std::string domain;
  std::string name_space;  // full path, "dev/sandbox"
  std::string repository;  // the name of its file in repositories/, never a URL
  std::string unit;
  std::string plan;
  Version version;
  Artifact artifact;
  std::uint64_t generation = 0;  // raised by a redeploy
  Spec spec;

  bool operator==(const Identity&) const = default;
  static void visit(auto& self, auto&& field) {
    field("owner", self.owner);
    field("domain", self.domain);
    field("namespace", self.name_space);
    field("repository", self.repository);
    field("unit", self.unit);
    field("plan", self.plan);
    field("version", self.version);
    field("artifact", self.artifact);
    field("generation", self.generation);
    field("spec", self.spec);
  }
};

/// SHA-256 of the identity's canonical encoding. Pinned by golden vectors: changing it moves every user's fleet.
[[nodiscard]] Digest digest_of(const Identity& identity);

/// `<unit>--<x>-<y>-<z>--<hash8>`; hash8 is the first 40 bits of the digest in base 32 (0-9a-v).
[[nodiscard]] std::string stack_name(const Identity& identity);
[[nodiscard]] std::string stack_name(const Identity& identity, const Digest& digest);

/// 12 hexadecimal digits of SHA-256(digest, incarnation): the name of one life of a stack.
[[nodiscard]] std::string guid_of(const Digest& digest, std::uint32_t incarnation);

}  // namespace nelson
