#!/usr/bin/env -S python3 -B
"""A checkpoint twice as large as the machine's memory, no swap, no limit: the guard ends what would starve the machine;
without the guard the kernel does, and the run goes on and can prove who did it and for whose memory."""
import machine
from machine import MIB


class Starved(machine.MachineTest):
    options = ("--mem", "512M")
    script = """
made gpt2 --dtype f64
measure guarded --strategy state-dict,mmap --dtype native --cache cold
grep -w oom_kill /proc/vmstat >guarded.kills
measure unguarded --strategy state-dict,mmap --dtype native --cache cold --reserve 0
grep -w oom_kill /proc/vmstat >unguarded.kills
dmesg >dmesg
"""

    def test_the_records_are_valid(self):
        self.assert_valid()

    def test_the_machine_is_too_small(self):
        record = self.machine.run("guarded").record
        self.assertGreater(record["checkpoint"]["bytes"], 900 * MIB)
        self.assertLess(record["machine"]["memory_bytes"], 512 * MIB)
        self.assertEqual(record["machine"]["swap_bytes"], 0)

    def test_the_guard_stops_it_before_the_kernel_does(self):
        run = self.machine.run("guarded")
        self.assert_whole(run)
        trial = run.cell("state-dict")["trials"][0]
        self.assertEqual((trial["verdict"], trial["reached"]), ("guard-stopped", "load"), trial["reason"])
        self.assertIn("the machine", trial["reason"])
        figures = self.evidence(trial, "/proc/meminfo")["figures"]
        self.assertLess(figures["available_bytes"], figures["reserve_bytes"])
        self.assertEqual(figures["reserve_bytes"], run.record["settings"]["reserve_bytes"])
        self.assertEqual(figures["bound_bytes"], run.record["machine"]["memory_bytes"])
        self.assertEqual(self.machine.text("guarded.kills"), "oom_kill 0\n")

    def test_without_the_guard_the_kernel_kills_the_worker(self):
        run = self.machine.run("unguarded")
        self.assert_whole(run)
        self.assertIsNone(run.record["settings"]["reserve_bytes"])
        trial = run.cell("state-dict")["trials"][0]
        self.assert_oom_killed(trial)
        self.assertEqual(trial["reached"], "load")
        self.assertIn("the whole machine's memory", trial["reason"])
        self.assertNotIn("limit", trial["reason"])
        self.assert_counted(trial, "memory.events of the cage", 0, 1)
        self.assert_counted(trial, "/proc/vmstat, the whole machine", 0, 1)
        self.assertEqual(self.machine.text("unguarded.kills"), "oom_kill 1\n")

    def test_the_kernel_log_is_quoted(self):
        log = self.evidence(self.machine.run("unguarded").cell("state-dict")["trials"][0], "kernel log")
        self.assertIn("constraint=CONSTRAINT_NONE", log["said"])
        self.assertIn("oom_score_adj:1000", log["said"])
        killed = [line.split("] ", 1)[1] for line in self.machine.text("dmesg").splitlines() if "Killed process" in line]
        self.assertEqual(len(killed), 1)
        self.assertIn(killed[0], log["said"])
        for figure, key in (("anon_rss_bytes", "anon-rss"), ("file_rss_bytes", "file-rss"),
                            ("shmem_rss_bytes", "shmem-rss"), ("page_table_bytes", "pgtables")):
            kib = killed[0].split(key + ":")[1].split("kB")[0]
            self.assertEqual(log["figures"][figure], int(kib) * 1024, figure)

    def test_the_need_at_the_kill_is_what_the_kernel_counted(self):
        run = self.machine.run("unguarded")
        trial = run.cell("state-dict")["trials"][0]
        figures = self.evidence(trial, "kernel log")["figures"]
        held = figures["anon_rss_bytes"] + figures["shmem_rss_bytes"]
        self.assert_near(trial["phases"][-1]["need_peak_bytes"], held, run, "the need's peak")
        self.assert_near(run.cell("state-dict")["need_bytes"], held, run, "the cell's need")
        # The samples know nothing of the kernel's log. Where all stands still for memory they come late; and both are
        # read from counters that lag.
        timeline = trial["timeline"]
        sampled = max(map(sum, zip(timeline["anon_bytes"], timeline["shmem_bytes"], timeline["swap_bytes"])))
        self.assertGreater(sampled, held // 2)
        # The kernel's log reads its counters without summing them up, also where /proc/PID/status does sum: each of the
        # two may lag by CPUs x max(32, 2 x CPUs) pages.
        cpus = run.record["machine"]["cpus"]
        lag = 2 * cpus * max(32, 2 * cpus) * run.record["machine"]["page_bytes"]
        self.assertLessEqual(sampled, held + max(lag, 2 * run.record["machine"]["error_bytes"]))

    def test_a_mapping_survives(self):
        for name in ("guarded", "unguarded"):
            cell = self.machine.run(name).cell("mmap")
            self.assert_ended_by_itself(cell)
            self.assertLess(cell["need_bytes"], 4 * MIB)
            self.assertEqual(cell["trials"][0]["evidence"], [])


if __name__ == "__main__":
    machine.main()
