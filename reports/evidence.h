// What a verdict rests on, in words: who said how a trial ended, and what a limit did to one that ended by itself.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "reports/record.h"

namespace weighbridge::reports {

// A figure of evidence says its unit at the end of its name, as everywhere in the record.
std::string figure_name(std::string name);                         // "anon_rss_bytes" -> "anon rss"
std::string figure_text(const std::string& name, uint64_t value);  // "anon_rss_bytes" -> "7.99 GiB"

// Its figures that its own words do not say already.
std::vector<std::pair<std::string, uint64_t>> untold_figures(const Evidence& evidence);

// "kernel log: Killed process 4711 (anon rss 7.99 GiB)": with the untold figures. Not yet printable().
std::string sentence(const Evidence& evidence);

// What says best who stopped it: the wait status tells only that somebody did, and what the reason says already needs
// no repeating. nullptr where there is nothing more.
const Evidence* most_telling(const Trial& trial);

// The trial whose verdict the cell has; nullptr without trials.
const Trial* telling_trial(const Cell& cell);

// "at the limit 1,234 times, 410,000 major faults, 35.1 GiB of file pages read again, stood still for 3.2 s": of the
// telling trial of a cell that has a limit of its own and did more in it than fit. Only what is known, and not 0; else
// empty.
std::string under_pressure(const Cell& cell, Bytes page_bytes);

}  // namespace weighbridge::reports
