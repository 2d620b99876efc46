// Plug-ins as a user builds them: a plain compiler, the installed header, and nothing else of this project.
#pragma once

#include <string>
#include <vector>

namespace weighbridge::test {

// Path of the library made of a source (a path in the repository), once a process for each set of flags. Throws with
// the compiler's words.
std::string built_plugin(const std::string& source, const std::vector<std::string>& flags = {});

}  // namespace weighbridge::test
