#include "tests/loader/made_model.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "strategies/checkpoint/checkpoint.h"
#include "tests/support/skip.h"

namespace weighbridge::test {

MadeModel::MadeModel(const std::string& size) {
  const Outcome made =
      run({"/usr/bin/python3", WEIGHBRIDGE_SOURCE_DIR "/tests/loader/write_model.py", scratch_.path(), size});
  if (made.status != 0) throw std::runtime_error("write_model.py: " + made.err);
  skip(made.err.starts_with("skipped: ") ? "write_model.py wrote no .h5: " + made.err.substr(9) : "");
  const auto known = formats();
  const bool reads_hdf5 =
      std::any_of(known.begin(), known.end(), [](const FormatInfo& format) { return format.name == "hdf5"; });
  skip(reads_hdf5 ? "" : "this build reads no .h5");
  std::istringstream lines(made.out);
  for (std::string path; std::getline(lines, path);) {
    if (path.ends_with(".h5") && !reads_hdf5) continue;
    (path.find("/model.") != std::string::npos ? paths_ : others_).push_back(path);
  }
}

std::string MadeModel::other(const std::string& name) const {
  const auto found = std::find(others_.begin(), others_.end(), scratch_ / name);
  return found == others_.end() ? "" : *found;
}

const MadeModel& small_model() {
  static const MadeModel model("small");
  return model;
}

}  // namespace weighbridge::test
