#include "reports/html/out.h"

#include <cerrno>
#include <system_error>

namespace weighbridge::reports::html {

void Out::flush() {
  errno = 0;
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size() || std::fflush(file_) != 0) {
    throw std::system_error(errno, std::generic_category(), "the HTML report cannot be written: fwrite");
  }
  buffer_.clear();
}

}  // namespace weighbridge::reports::html
