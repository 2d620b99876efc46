#!/usr/bin/env -S python3 -B
"""An ordinary user, who may not read the kernel's log: with a cgroup that was delegated, with systemd, with nothing."""
import machine
from machine import MIB

LIMIT = 48 * MIB  # of a checkpoint of 72 MiB
MEASURE = """
made resnet-50 --layers 12 --dtype f64
id -un >user
measure limited --strategy eager,mmap --dtype native --limit 48MiB
"""


class OrdinaryUser(machine.MachineTest):
    def assert_the_cage_holds(self):
        self.assert_valid()
        self.assertEqual(self.machine.text("user"), "nobody\n")
        run = self.machine.run("limited")
        self.assert_whole(run)
        self.assertEqual(run.record["settings"]["cage_reason"], "")
        self.assertEqual({cell["cage"] for cell in run.record["cells"]}, {"cgroup v2"})
        trial = run.cell("eager", LIMIT)["trials"][0]
        self.assert_oom_killed(trial)
        self.assertIn("the cage's limit of 48.0 MiB", trial["reason"])
        self.assert_counted(trial, "memory.events of the cage", 0, 1)
        self.assert_ended_by_itself(run.cell("mmap", LIMIT))


class Delegated(OrdinaryUser):
    options = ("--mem", "512M", "--user", "nobody", "--cg", "memory.max=128M")
    script = MEASURE + """
measure above --strategy state-dict --dtype native --cache cold --reserve 0
find /sys/fs/cgroup -name 'weighbridge-*' >left
"""

    def test_a_delegated_cgroup_holds_the_limit(self):
        self.assert_the_cage_holds()
        self.assertEqual(self.machine.text("left"), "")

    def test_without_the_kernels_log_the_limit_above_is_still_told(self):
        run = self.machine.run("above")
        self.assert_whole(run)
        self.assertEqual(run.cell("state-dict")["cage"], "cgroup v2")
        trial = run.cell("state-dict")["trials"][0]
        self.assert_oom_killed(trial)
        self.assertIn("cannot be read", self.evidence(trial, "kernel log")["said"])
        self.assertIn("the limit of cgroup /job, 128 MiB", trial["reason"])
        self.assert_counted(trial, "memory.events of the cage", 0, 1)
        above = self.evidence(trial, "memory.events.local of cgroup /job")["figures"]
        self.assertGreater(above["oom_after"], above["oom_before"])


class Systemd(OrdinaryUser):
    options = ("--mem", "512M", "--user", "nobody", "--systemd")
    script = MEASURE + """
find /sys/fs/cgroup -name 'weighbridge-*' -o -name '*.scope' ! -name init.scope >left
"""

    def test_a_scope_holds_the_limit_and_outlives_the_kill(self):
        self.assert_the_cage_holds()
        self.assertEqual(self.machine.text("left"), "")


class NoCgroup(OrdinaryUser):
    options = ("--mem", "512M", "--user", "nobody", "--cgroup", "none")
    script = MEASURE

    def test_the_limit_is_watched_where_no_cgroup_can_be_made(self):
        self.assert_valid()
        self.assertEqual(self.machine.text("user"), "nobody\n")
        run = self.machine.run("limited")
        self.assert_whole(run)
        self.assertIn("no cgroup", run.record["settings"]["cage_reason"])
        self.assertEqual({cell["cage"] for cell in run.record["cells"]}, {"watched"})
        trial = run.cell("eager", LIMIT)["trials"][0]
        self.assertEqual((trial["verdict"], trial["reached"]), ("over-limit", "load"), trial["reason"])
        self.assertIn("watched", trial["reason"])
        figures = self.evidence(trial, "/proc/PID/status")["figures"]
        self.assertEqual(figures["limit_bytes"], LIMIT)
        self.assertGreater(figures["held_bytes"], LIMIT)
        self.assertIsNone(trial["cgroup_peak_bytes"])
        self.assert_ended_by_itself(run.cell("mmap", LIMIT))


if __name__ == "__main__":
    machine.main()
