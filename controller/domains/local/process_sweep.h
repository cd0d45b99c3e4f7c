#pragma once

#include <cstddef>
#include <string>

#include "controller/domains/local/process_group.h"
#include "controller/domains/local/supervisor_document.h"

namespace nelson {

/// Sends SIGKILL to every living process that belongs to an instance of a stack whose supervisor is gone, or going: one that is in a group of an
/// instance, or whose environment holds `NELSON_MARK=<mark>`. Neither can be had by a process that merely got a number we once knew.
/// Returns how many there were, or 1 when nobody can tell; call until it is none.
std::size_t end_remains(const std::string& mark, const StackGroups& groups);

/// Whether there is any such process, or nobody can tell; signals nothing.
[[nodiscard]] bool has_remains(const std::string& mark, const StackGroups& groups);

/// Takes the stack's folder out of sight at once, then removes it and gives back its ports. Only with the folder's lock held and nothing of the
/// stack alive. Logs stay.
void remove_stack_folder(const LocalPaths& paths, const std::string& stack);

/// Removes what an interrupted removal left.
void remove_dropped_folders(const LocalPaths& paths);

/// Removes a folder with all that is in it, following no link; 0555 folders too.
void remove_tree(const std::string& path);

}  // namespace nelson
