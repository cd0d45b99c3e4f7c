#pragma once

namespace nelson {

/// Of this program; the same as in CMakeLists.txt, which a test compares.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace nelson
