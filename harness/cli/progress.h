// What a run says on standard error while it works.
//
// On a terminal one line is redrawn four times a second: which trial, which phase, how far, how long still. Elsewhere
// (a log, CI) there is a plain line per finished cell and a heartbeat a minute, and nothing is ever redrawn.
#pragma once

#include <cstdint>
#include <string>

#include "harness/run/matrix.h"

namespace weighbridge::cli {

class Progress : public MatrixEvents {
 public:
  enum class Loudness { quiet, normal, trials };
  explicit Progress(Loudness loudness);
  ~Progress() override;

  void described(const reports::Record& record) override;
  void reference(uint64_t done, uint64_t total) override;
  void begins(size_t order, size_t trials, const reports::Cell& cell, int number, int repeat) override;
  void progress(const TrialProgress& progress) override;
  void ended(const reports::Cell& cell, const reports::Trial& trial) override;
  void cell_ended(const reports::Cell& cell) override;
  void note(const std::string& line) override;
  void tries(size_t way, size_t ways, const reports::Cell& cell, const std::string& what) override;
  void found(const reports::Fit& fit) override;
  // For work that is not a trial (synth): the same line.
  void work(const char* what, uint64_t done, uint64_t total);
  void finish();  // takes the redrawn line away

 private:
  void line(const std::string& text);    // a line that stays
  void redraw(const std::string& text);  // the line that is redrawn, where there is one
  std::string time_left() const;

  const Loudness loudness_;
  const bool redraws_;
  uint64_t started_ns_ = 0, drawn_ns_ = 0, heard_ns_ = 0;  // first trial, last redraw, last plain line
  uint64_t work_started_ns_ = 0;
  size_t order_ = 0, trials_ = 0;
  double fraction_ = 0;  // of the present trial
  std::string what_;     // the present trial
  bool drawn_ = false;
};

}  // namespace weighbridge::cli
