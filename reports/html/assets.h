// The fixed parts of the page, files of this folder that the build puts into the program as they are, each with the
// hash by which the page's Content-Security-Policy allows it.
#pragma once

#include <string>
#include <string_view>

namespace weighbridge::reports::html {

struct Asset {
  std::string_view text;
  std::string_view sha256_hex;
  // "'sha256-...'", as script-src and style-src want it.
  std::string csp_source() const;
};

extern const Asset report_css;
extern const Asset report_js;
extern const Asset symbols_svg;  // marks and patterns that the drawings refer to
extern const Asset method_html;  // what each figure means
extern const Asset chart_js;     // dygraphs; empty when the program was built without it
extern const Asset chart_css;

}  // namespace weighbridge::reports::html
