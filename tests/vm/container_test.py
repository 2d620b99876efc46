#!/usr/bin/env -S python3 -B
"""A limit around the program itself, as a container has: the guard heeds it, and a kill is laid at its door."""
import machine
from machine import MIB

LIMIT = 200 * MIB


class Container(machine.MachineTest):
    options = ("--mem", "512M", "--cg", "memory.max=200M")
    script = """
made resnet-50 --dtype f64
measure guarded --strategy state-dict,mmap --dtype native --cache cold
measure unguarded --strategy state-dict,mmap --dtype native --cache cold --reserve 0
cat /sys/fs/cgroup/job/memory.events >events
"""

    def test_the_records_are_valid(self):
        self.assert_valid()

    def test_the_limit_above_is_what_bites(self):
        for name in ("guarded", "unguarded"):
            run = self.machine.run(name)
            self.assert_whole(run)
            memory = [limit for limit in run.record["machine"]["limits"] if limit["bounds"] == "memory"]
            self.assertEqual((memory[0]["source"], memory[0]["bytes"]), ("cgroup /job (memory.max)", LIMIT))
            self.assertGreater(run.record["machine"]["available_bytes"], LIMIT)
            self.assertIn("limit 200 MiB (cgroup /job (memory.max))", run.err)

    def test_the_guard_watches_the_limit_above(self):
        trial = self.machine.run("guarded").cell("state-dict")["trials"][0]
        self.assertEqual((trial["verdict"], trial["reached"]), ("guard-stopped", "load"), trial["reason"])
        self.assertIn("cgroup /job", trial["reason"])
        figures = self.evidence(trial, "memory.max of cgroup /job")["figures"]
        self.assertEqual((figures["bound_bytes"], figures["reserve_bytes"]), (LIMIT, LIMIT // 4))
        self.assertLess(figures["available_bytes"], figures["reserve_bytes"])

    def test_without_the_guard_that_limit_kills_the_worker_alone(self):
        trial = self.machine.run("unguarded").cell("state-dict")["trials"][0]
        self.assert_oom_killed(trial)
        self.assertIn("the limit of cgroup /job", trial["reason"])
        self.assertNotIn("cage", trial["reason"])
        self.assertNotIn("machine", trial["reason"])
        log = self.evidence(trial, "kernel log")
        self.assertRegex(log["said"], r"constraint=CONSTRAINT_MEMCG,.*oom_memcg=/job,")
        self.assertIn("oom_score_adj:1000", log["said"])
        above = self.evidence(trial, "memory.events.local of cgroup /job")["figures"]
        self.assertGreater(above["oom_after"], above["oom_before"])
        self.assertIn("oom_kill 1\n", self.machine.text("events"))

    def test_a_mapping_survives(self):
        for name in ("guarded", "unguarded"):
            self.assert_ended_by_itself(self.machine.run(name).cell("mmap"))


if __name__ == "__main__":
    machine.main()
