// The sections of the page in the order of a reader in trouble; each writes itself and knows no other.
#pragma once

#include "reports/html/out.h"
#include "reports/html/view.h"

namespace weighbridge::reports::html {

void write_head_line(Out& out, const View& view);
void write_verdict(Out& out, const View& view);
void write_fits(Out& out, const View& view);
void write_findings(Out& out, const View& view);
void write_matrix(Out& out, const View& view);
void write_table(Out& out, const View& view);
void write_timelines(Out& out, const View& view);
void write_predictions(Out& out, const View& view);
void write_accuracy(Out& out, const View& view);
void write_trials(Out& out, const View& view);
void write_machine(Out& out, const View& view);
void write_method(Out& out, const View& view);

// The headline as plain text, for <title> too: "18 of 24 ways fit in 1.00 GiB".
std::string headline(const View& view);
// The same of what `fit` found: "The smallest limit is 8.00 MiB; useful from 490 MiB".
std::string fits_headline(const Record& record);

}  // namespace weighbridge::reports::html
