#!/usr/bin/env -S python3 -B
"""A limit that a cgroup of version 2 holds: what it stops, what it counts, and that nothing of it is left."""
import subprocess
import unittest

import machine
from machine import MIB

LIMIT = 96 * MIB
NEWER = "linux-image-6.12-amd64"


class Cage(machine.MachineTest):
    options = ("--mem", "512M", "--cg", "memory.max=max")  # so that the command is in a cgroup that is not the root
    script = """
made resnet-50 --dtype f64
cgroups >before
measure limited --strategy eager,mmap --dtype native --limit 96MiB,none
cgroups >after

# Alone in a cgroup with a limit, the program must make its cages below that, and itself move out of their way.
mkdir /sys/fs/cgroup/alone && echo 300M >/sys/fs/cgroup/alone/memory.max || exit 97
cgroups >before.alone
measured=alone
sh -c 'echo $$ >/sys/fs/cgroup/alone/cgroup.procs && exec weighbridge run "$@"' sh "$model" --repeat 1 --seed 1 \
  --strategy eager --dtype native --limit 96MiB --out /scratch/alone >alone.out 2>alone.err
took $?
cgroups >after.alone
"""

    def setUp(self):
        self.run_ = self.machine.run("limited")

    def total(self, cell, figure):
        return sum(phase[figure] for phase in cell["trials"][0]["phases"])

    def test_the_records_are_valid(self):
        self.assert_valid()

    def test_each_cell_ran_in_a_cgroup(self):
        self.assert_whole(self.run_)
        self.assertEqual(len(self.run_.record["cells"]), 4)
        self.assertEqual(self.run_.record["settings"]["cage_reason"], "")
        for cell in self.run_.record["cells"]:
            self.assertEqual(cell["cage"], "cgroup v2")
            self.assertEqual(cell["cache"], "cold" if cell["limit_bytes"] else "warm")

    def test_what_needs_more_is_killed_by_the_cage(self):
        trial = self.run_.cell("eager", LIMIT)["trials"][0]
        self.assert_oom_killed(trial)
        self.assertEqual(trial["reached"], "load")
        self.assertIn("the cage's limit of 96.0 MiB", trial["reason"])
        self.assertNotIn("machine", trial["reason"])
        self.assert_counted(trial, "memory.events of the cage", 0, 1)
        log = self.evidence(trial, "kernel log")
        self.assertRegex(log["said"], r"constraint=CONSTRAINT_MEMCG,.*oom_memcg=/weighbridge-[0-9-]+,")
        self.assertIn("oom_score_adj:1000", log["said"])
        self.assert_near(trial["phases"][-1]["need_peak_bytes"],
                         log["figures"]["anon_rss_bytes"] + log["figures"]["shmem_rss_bytes"], self.run_, "need")

    def test_the_limit_was_reached_and_hardly_passed(self):
        # A kill means that not even one page more could be charged, so the peak is the limit; what the kernel charges
        # to a process that is already dying may pass it by some pages.
        trial = self.run_.cell("eager", LIMIT)["trials"][0]
        self.assertGreaterEqual(trial["cgroup_peak_bytes"], LIMIT)
        self.assertLessEqual(trial["cgroup_peak_bytes"], LIMIT + 64 * 4096)
        self.assertGreater(self.total(self.run_.cell("eager", LIMIT), "limit_hits"), 0)

    def test_a_mapping_survives_in_the_limit(self):
        cell = self.run_.cell("mmap", LIMIT)
        self.assert_ended_by_itself(cell)
        self.assertLessEqual(cell["trials"][0]["cgroup_peak_bytes"], LIMIT)
        self.assertGreater(cell["trials"][0]["cgroup_peak_bytes"], LIMIT * 9 // 10)  # full of page cache
        self.assertGreater(self.total(cell, "limit_hits"), 0)
        self.assertLess(cell["need_bytes"], 4 * MIB)

    def test_without_a_limit_both_fit(self):
        for strategy in ("eager", "mmap"):
            cell = self.run_.cell(strategy)
            self.assertIn(cell["verdict"], machine.FITS, cell["reason"])
            self.assertEqual(self.total(cell, "limit_hits"), 0)
        cell = self.run_.cell("eager")
        self.assert_near(cell["need_bytes"], cell["predicted"]["need_bytes"] + cell["floor_bytes"], self.run_, "need")
        # The cgroup counts the same memory, and by other means; kernel memory and page cache come on top.
        self.assertGreater(cell["trials"][0]["cgroup_peak_bytes"], cell["need_bytes"] - MIB)

    def test_the_cages_own_figures_are_known(self):
        figures = ("refault_file_pages", "refault_anon_pages", "cgroup_psi_some_ns", "cgroup_psi_full_ns", "limit_hits")
        for cell in self.run_.record["cells"]:
            for phase in cell["trials"][0]["phases"]:
                for figure in figures:
                    self.assertIsNotNone(phase[figure], f"{figure} of {cell['strategy']} in {phase['name']}")
        for phase in self.run_.cell("mmap", LIMIT)["trials"][0]["phases"]:
            for part in ("usage", "anon", "file", "shmem", "kernel"):
                self.assertIsNotNone(phase[f"cgroup_{part}_bytes"], part)

    def test_a_figure_that_the_kernel_lacks_is_null_with_its_reason(self):
        if not self.run_.record["machine"]["kernel"].startswith("Linux 6.1."):
            self.skipTest("this kernel may have memory.swap.peak")
        for cell in self.run_.record["cells"]:
            self.assertIsNone(cell["trials"][0]["cgroup_swap_peak_bytes"])
            self.assertIn("kernel", cell["trials"][0]["unavailable"]["cgroup_swap_peak_bytes"])

    def test_nothing_is_left_and_nothing_changed(self):
        before = self.machine.text("before")
        self.assertTrue(before.startswith("0::/job\n"), before)
        self.assertNotIn("weighbridge", before)
        self.assertEqual(self.machine.text("after"), before)

    def test_alone_in_a_limited_cgroup_it_makes_cages_below(self):
        run = self.machine.run("alone")
        self.assert_whole(run)
        trial = run.cell("eager", LIMIT)["trials"][0]
        self.assertEqual(run.cell("eager", LIMIT)["cage"], "cgroup v2")
        self.assert_oom_killed(trial)
        self.assertIn("the cage's limit of 96.0 MiB", trial["reason"])
        self.assertRegex(self.evidence(trial, "kernel log")["said"], r"oom_memcg=/alone/weighbridge-[0-9-]+,")
        before = self.machine.text("before.alone")
        self.assertIn("/sys/fs/cgroup/alone:\n314572800\n", before)  # nothing passed on
        self.assertEqual(self.machine.text("after.alone"), before)


class NewerKernel(machine.MachineTest):
    """What Linux 6.1 does not tell and 6.5 does."""
    options = ("--mem", "512M", "--swap", "128M", "--kernel", NEWER)
    script = """
made resnet-50 --dtype f64
measure swap --strategy eager --dtype native --limit 96MiB --swap-limit 16MiB
"""

    @classmethod
    def setUpClass(cls):
        prepared = subprocess.run([machine.VM_RUN, "--kernel", NEWER, "--prepare"], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False)
        if prepared.returncode != 0:
            raise unittest.SkipTest(prepared.stderr.strip())
        super().setUpClass()

    def test_the_cages_swap_has_a_peak(self):
        self.assert_valid()
        run = self.machine.run("swap")
        self.assertTrue(run.record["machine"]["kernel"].startswith("Linux 6.12."), run.record["machine"]["kernel"])
        cell = run.cell("eager", LIMIT)
        self.assertEqual(cell["swap_limit_bytes"], 16 * MIB)
        trial = cell["trials"][0]
        self.assert_oom_killed(trial)
        self.assertIn("the cage's limit", trial["reason"])
        # The kernel stops swapping out when little is left of the limit, so it need not be reached to the page.
        self.assertGreater(trial["cgroup_swap_peak_bytes"], 8 * MIB)
        self.assertLessEqual(trial["cgroup_swap_peak_bytes"], 16 * MIB)


if __name__ == "__main__":
    machine.main()
