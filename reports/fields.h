// The record's fields under their JSON names, said once for the writer and the reader: what one writes, the other
// reads. An `Io` is called with a name and a member; it has `bytes_of_kib` for a timeline's columns and `object` for
// a list of pairs that JSON shows as an object.
//
// A field added to version 1 later must be read with `Io::later`, which leaves the default where an old record has
// none.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "reports/record.h"

namespace weighbridge::reports {

// T is Struct or const Struct: the reader fills, the writer only looks.
template <typename T, typename Struct>
concept IsA = std::same_as<std::remove_const_t<T>, Struct>;

template <typename Io, IsA<Split> T>
void fields(Io& io, T& split) {
  io("anon", split.anon);
  io("shmem", split.shmem);
  io("file", split.file);
  io("swap", split.swap);
  io("hugetlb", split.hugetlb);
  io("weights", split.weights);
  io("staging", split.staging);
  io("overhead", split.overhead);
}

template <typename Io, IsA<HeapPeak> T>
void fields(Io& io, T& heap) {
  io("weights", heap.weights);
  io("staging", heap.staging);
  io("overhead", heap.overhead);
}

template <typename Io, IsA<AllocatorFigures> T>
void fields(Io& io, T& figures) {
  io("allocated", figures.allocated);
  io("active", figures.active);
  io("resident", figures.resident);
  io("retained", figures.retained);
  io("metadata", figures.metadata);
}

template <typename Io, IsA<Phase> T>
void fields(Io& io, T& phase) {
  io("name", phase.name);
  io("wall_ns", phase.wall_ns);
  io("cpu_ns", phase.cpu_ns);
  io("peak_rss_bytes", phase.peak_rss_bytes);
  io("need_peak_bytes", phase.need_peak_bytes);
  io("need_end_bytes", phase.need_end_bytes);
  io("file_peak_bytes", phase.file_peak_bytes);
  io("swap_peak_bytes", phase.swap_peak_bytes);
  io("page_table_bytes", phase.page_table_bytes);
  io("at_peak", phase.at_peak);
  io("heap_peak_bytes", phase.heap_peak_bytes);
  io("allocator", phase.allocator);
  io("minor_faults", phase.minor_faults);
  io("major_faults", phase.major_faults);
  io("lazy_free_bytes", phase.lazy_free_bytes);
  io("pss_bytes", phase.pss_bytes);
  io("refault_file_pages", phase.refault_file_pages);
  io.later("refault_anon_pages", phase.refault_anon_pages);
  io.later("limit_hits", phase.limit_hits);
  io.later("cgroup_usage_bytes", phase.cgroup_usage_bytes);
  io.later("cgroup_anon_bytes", phase.cgroup_anon_bytes);
  io.later("cgroup_file_bytes", phase.cgroup_file_bytes);
  io.later("cgroup_shmem_bytes", phase.cgroup_shmem_bytes);
  io.later("cgroup_kernel_bytes", phase.cgroup_kernel_bytes);
  io.later("cgroup_psi_some_ns", phase.cgroup_psi_some_ns);
  io.later("cgroup_psi_full_ns", phase.cgroup_psi_full_ns);
  io("system_swap_in_pages", phase.system_swap_in_pages);
  io("system_swap_out_pages", phase.system_swap_out_pages);
  io("psi_some_ns", phase.psi_some_ns);
  io("psi_full_ns", phase.psi_full_ns);
}

template <typename Io, IsA<Timeline> T>
void fields(Io& io, T& timeline) {
  io("t_ns", timeline.t_ns);
  io.bytes_of_kib("anon_bytes", timeline.anon_kib);
  io.bytes_of_kib("file_bytes", timeline.file_kib);
  io.bytes_of_kib("shmem_bytes", timeline.shmem_kib);
  io.bytes_of_kib("swap_bytes", timeline.swap_kib);
  io.bytes_of_kib("weights_bytes", timeline.weights_kib);
  io.bytes_of_kib("staging_bytes", timeline.staging_kib);
  io("samples_taken", timeline.samples_taken);
}

template <typename Io, IsA<std::pair<std::string, uint64_t>> T>
void fields(Io& io, T& start) {  // of a phase; a list, as a foreign command may enter a phase twice
  io("name", start.first);
  io("t_ns", start.second);
}

template <typename Io, IsA<Evidence> T>
void fields(Io& io, T& evidence) {
  io("source", evidence.source);
  io("said", evidence.said);
  io.object("figures", evidence.figures);
}

template <typename Io, IsA<Trial> T>
void fields(Io& io, T& trial) {
  io("number", trial.number);
  io("order", trial.order);
  io("verdict", trial.verdict);
  io("reason", trial.reason);
  io("checksum", trial.checksum);
  io("reached", trial.reached);
  io("floor_bytes", trial.floor_bytes);
  io("floor_file_bytes", trial.floor_file_bytes);
  io("phases", trial.phases);
  io("phase_start_ns", trial.phase_start_ns);
  io("timeline", trial.timeline);
  io("cached_before_bytes", trial.cached_before_bytes);
  io("cached_after_bytes", trial.cached_after_bytes);
  io("exit_status", trial.exit_status);
  io("exit_signal", trial.exit_signal);
  io.later("cgroup_peak_bytes", trial.cgroup_peak_bytes);
  io.later("cgroup_swap_peak_bytes", trial.cgroup_swap_peak_bytes);
  io.later("evidence", trial.evidence);
  io.later("remarks", trial.remarks);
  io("unavailable", trial.unavailable);
}

template <typename Io, IsA<Prediction> T>
void fields(Io& io, T& prediction) {
  io("need_bytes", prediction.need_bytes);
  io("reclaimable_bytes", prediction.reclaimable_bytes);
  io("weights_bytes", prediction.weights_bytes);
  io("staging_bytes", prediction.staging_bytes);
  io("overhead_bytes", prediction.overhead_bytes);
  io.later("least_need_bytes", prediction.least_need_bytes);
  io.later("floor_bytes", prediction.floor_bytes);
  io.later("page_table_bytes", prediction.page_table_bytes);
  io.later("limit_bytes", prediction.limit_bytes);
  io.later("most_weights_bytes", prediction.most_weights_bytes);
  io.later("disk_bytes", prediction.disk_bytes);
}

template <typename Io, IsA<Accuracy> T>
void fields(Io& io, T& accuracy) {
  io("elements", accuracy.elements);
  io("overflowed", accuracy.overflowed);
  io("flushed", accuracy.flushed);
  io("clipped", accuracy.clipped);
  io("nan_lost", accuracy.nan_lost);
  io("max_abs_error", accuracy.max_abs_error);
  io("rmse", accuracy.rmse);
  io("sqnr_db", accuracy.sqnr_db);
  io("worst_tensor", accuracy.worst_tensor);
  io("worst_sqnr_db", accuracy.worst_sqnr_db);
}

template <typename Io, IsA<Cell> T>
void fields(Io& io, T& cell) {
  io("strategy", cell.strategy);
  io("options", cell.options);
  io.later("plugin", cell.plugin);
  io("dtype", cell.dtype);
  io("limit_bytes", cell.limit_bytes);
  io.later("swap_limit_bytes", cell.swap_limit_bytes);
  io.later("cage", cell.cage);
  io("cache", cell.cache);
  io("verdict", cell.verdict);
  io("reason", cell.reason);
  io("checksum", cell.checksum);
  io("predicted", cell.predicted);
  io("need_bytes", cell.need_bytes);
  io("need_error_bytes", cell.need_error_bytes);
  io("floor_bytes", cell.floor_bytes);
  io("reclaimable_bytes", cell.reclaimable_bytes);
  io("peak_rss_bytes", cell.peak_rss_bytes);
  io("page_table_bytes", cell.page_table_bytes);
  io("at_peak", cell.at_peak);
  io("peak_phase", cell.peak_phase);
  io("minor_faults", cell.minor_faults);
  io("major_faults", cell.major_faults);
  io("swap_peak_bytes", cell.swap_peak_bytes);
  io("cpu_ns", cell.cpu_ns);
  io("wall_ns", cell.wall_ns);
  io("accuracy", cell.accuracy);
  io("kept_native_tensors", cell.kept_native_tensors);
  io.later("fallen_back", cell.fallen_back);
  io("trials", cell.trials);
  io("unavailable", cell.unavailable);
}

template <typename Io, IsA<Limit> T>
void fields(Io& io, T& limit) {
  io("source", limit.source);
  io("bytes", limit.bytes);
  io.later("bounds", limit.bounds);
}

template <typename Io, IsA<Machine> T>
void fields(Io& io, T& machine) {
  io("hostname", machine.hostname);
  io("kernel", machine.kernel);
  io("distribution", machine.distribution);
  io("cpu", machine.cpu);
  io("cpus", machine.cpus);
  io("allocator", machine.allocator);
  io("page_bytes", machine.page_bytes);
  io("memory_bytes", machine.memory_bytes);
  io("available_bytes", machine.available_bytes);
  io("swap_bytes", machine.swap_bytes);
  io("swap_free_bytes", machine.swap_free_bytes);
  io("error_bytes", machine.error_bytes);
  io("error_source", machine.error_source);
  io("thp", machine.thp);
  io("limits", machine.limits);
  io("unavailable", machine.unavailable);
}

template <typename Io, IsA<Remark> T>
void fields(Io& io, T& remark) {
  io("id", remark.id);
  io("text", remark.text);
  io("bytes", remark.bytes);
}

template <typename Io, IsA<Checkpoint> T>
void fields(Io& io, T& checkpoint) {
  io("path", checkpoint.path);
  io("format", checkpoint.format);
  io("filesystem", checkpoint.filesystem);
  io("bytes", checkpoint.bytes);
  io("file_bytes", checkpoint.file_bytes);
  io("files", checkpoint.files);
  io("tensors", checkpoint.tensors);
  io("parameters", checkpoint.parameters);
  io("largest_tensor_bytes", checkpoint.largest_tensor_bytes);
  io.later("largest_layer", checkpoint.largest_layer);
  io.later("largest_layer_bytes", checkpoint.largest_layer_bytes);
  io.later("tied_bytes", checkpoint.tied_bytes);
  io("dtypes", checkpoint.dtypes);
  io.later("encodings", checkpoint.encodings);
  io.later("remarks", checkpoint.remarks);
}

template <typename Io, IsA<Plugin> T>
void fields(Io& io, T& plugin) {
  io("path", plugin.path);
  io("name", plugin.name);
  io("version", plugin.version);
  io("sha256", plugin.sha256);
}

template <typename Io, IsA<Settings> T>
void fields(Io& io, T& settings) {
  io("seed", settings.seed);
  io("repeat", settings.repeat);
  io("passes", settings.passes);
  io("cache", settings.cache);
  io("thp", settings.thp);
  io("sample_interval_ns", settings.sample_interval_ns);
  io("interrupted", settings.interrupted);
  io.later("resumed", settings.resumed);
  io.later("reserve_bytes", settings.reserve_bytes);
  io.later("plugins", settings.plugins);
  io.later("cage_reason", settings.cage_reason);
  io("command", settings.command);
}

template <typename Io, IsA<Finding> T>
void fields(Io& io, T& finding) {
  io("id", finding.id);
  io("severity", finding.severity);
  io("title", finding.title);
  io("remedy", finding.remedy);
  io.object("evidence", finding.evidence);
  io("cells", finding.cells);
  io("saves_bytes", finding.saves_bytes);
}

template <typename Io, IsA<FitPoint> T>
void fields(Io& io, T& point) {
  io("limit_bytes", point.limit_bytes);
  io("verdict", point.verdict);
  io("slowdown", point.slowdown);
  io("wall_ns", point.wall_ns);
  io("major_faults", point.major_faults);
  io("refault_file_pages", point.refault_file_pages);
  io("stall_ns", point.stall_ns);
  io("trials", point.trials);
}

template <typename Io, IsA<Fit> T>
void fields(Io& io, T& fit) {
  io("strategy", fit.strategy);
  io("options", fit.options);
  io("dtype", fit.dtype);
  io("predicted_bytes", fit.predicted_bytes);
  io("survival", fit.survival);
  io("useful", fit.useful);
  io("tries", fit.tries);
  io("unavailable", fit.unavailable);
}

template <typename Io, IsA<WhatIf> T>
void fields(Io& io, T& what_if) {
  io("id", what_if.id);
  io("instead", what_if.instead);
  io("cell", what_if.cell);
  io("change", what_if.change);
  io("outcome", what_if.outcome);
  io("limit_bytes", what_if.limit_bytes);
  io("saves_bytes", what_if.saves_bytes);
  io("unavailable", what_if.unavailable);
}

struct Tool {  // "tool": version and commit of the record, grouped as JSON shows them
  std::string& version;
  std::string& commit;
};
struct ConstTool {
  const std::string& version;
  const std::string& commit;
};

template <typename Io, typename T>
requires IsA<T, Tool> || IsA<T, ConstTool>
void fields(Io& io, T& tool) {
  io("version", tool.version);
  io("commit", tool.commit);
}

template <typename Io, IsA<Record> T>
void fields(Io& io, T& record) {
  io("schema", record.schema);
  if constexpr (std::is_const_v<T>) {
    const ConstTool tool{record.version, record.commit};
    io("tool", tool);
  } else {
    Tool tool{record.version, record.commit};
    io("tool", tool);
  }
  io("started", record.started);
  io("machine", record.machine);
  io("checkpoint", record.checkpoint);
  io("settings", record.settings);
  io("cells", record.cells);
  io("findings", record.findings);
  io.later("fits", record.fits);
  io.later("what_if", record.what_if);
}

}  // namespace weighbridge::reports
