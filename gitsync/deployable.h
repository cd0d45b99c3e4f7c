#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/problem.h"
#include "state/model/result.h"
#include "state/model/spec.h"
#include "state/model/version.h"

namespace nelson {

/// `<unit>.deployable.yml`, the file beside a manifest that says what a unit's release consists of:
///
///     name: basket-api
///     version: 1.4.2
///     output: {kind: command, command: [./serve, --port, "8080"], tree: app}      # or {kind: image, image: registry/basket-api:1.4.2}
struct Deployable {
  std::string name;
  Version version;
  ArtifactKind kind = ArtifactKind::kCommand;
  std::string image;                 // kImage
  std::vector<std::string> command;  // kCommand
  /// kCommand: the folder the command runs in, relative to the manifest's folder; "" is that folder itself (`tree: .`). Normalized: no
  /// empty, `.` or `..` parts. Nothing: the command is a program of the host.
  std::optional<std::string> tree;
};

struct DeployableReading {
  std::optional<Deployable> deployable;
  std::vector<Problem> problems;  // code ProblematicDeployable or LoadError; the caller fills repository, commit and file
};

/// Reads and validates a deployable. Never throws. Thread-safe.
[[nodiscard]] DeployableReading read_deployable(std::string_view bytes);

/// Whether this deployable is the one of `unit`: names are compared trimmed and without case (spec/manifest 10.2).
[[nodiscard]] bool is_for(const Deployable& deployable, std::string_view unit);

/// "shop/.nelson.yml" -> "shop/"; "" for a file of the root.
[[nodiscard]] std::string folder_prefix(std::string_view file);

/// "shop/.nelson.yml" and unit "basket" -> "shop/basket.deployable.yml".
[[nodiscard]] std::string deployable_path(std::string_view manifest_file, std::string_view unit);

/// The deployable's tree as a path from the repository's root; "" is the root itself. Call only when there is a tree.
[[nodiscard]] std::string tree_path(std::string_view manifest_file, const Deployable& deployable);

/// What Git names, with `tree_id` as the object id of the tree ("" without a tree).
[[nodiscard]] Artifact artifact_of(const Deployable& deployable, std::string_view tree_id);

/// The syntax of a container image's name: [host[:port]/]path[:tag][@digest]. The error's message is the reason.
[[nodiscard]] Status check_image(std::string_view image);

}  // namespace nelson
