#!/usr/bin/env -S python3 -B
"""Other ways to end: an allocation that is refused, and a run that is cut short and resumed."""
import machine
from machine import MIB


class Endings(machine.MachineTest):
    options = ("--mem", "768M")  # so that nothing is reclaimed where all is to fit
    script = """
made resnet-50 --dtype f64
measured=ulimit
(ulimit -v 150000 && weighbridge run "$model" --repeat 1 --seed 1 --strategy eager,mmap --dtype native \
  --out /scratch/ulimit >ulimit.out 2>ulimit.err)
took $?

# 15 % of the memory may be promised, and a private mapping for reading takes no promise.
cd /proc/sys/vm && echo 15 >overcommit_ratio && echo 2 >overcommit_memory && cd "$SHARED" || exit 97
grep CommitLimit /proc/meminfo >commit
measure overcommit --strategy eager,mmap --dtype native
echo 0 >/proc/sys/vm/overcommit_memory

measured=cut
set -- run "$model" --repeat 2 --seed 1 --strategy eager,stream --dtype native --out /scratch/cut
weighbridge "$@" >cut.out 2>cut.err & pid=$!
until [ "$(grep -cs '^{"begins"' /scratch/cut/journal.jsonl)" = 2 ]; do
  kill -0 $pid || exit 96
  sleep 0.1
done
kill -TERM $pid
wait $pid
took $?
cp /scratch/cut/journal.jsonl cut.journal
measured=resumed
weighbridge "$@" --resume >resumed.out 2>resumed.err
echo $? >resumed.status
cp /scratch/cut/record.json resumed.json
ls /scratch/cut >resumed.files
"""

    def test_the_records_are_valid(self):
        self.assert_valid()

    def refused(self, run, strategy):
        trial = run.cell(strategy)["trials"][0]
        self.assertEqual((trial["verdict"], trial["reached"]), ("refused", "load"), trial["reason"])
        self.assertIsNone(trial["exit_signal"])
        self.evidence(trial, "message of the worker")
        return trial

    def test_ulimit_refuses_what_passes_it(self):
        run = self.machine.run("ulimit")
        self.assert_whole(run)
        self.assertEqual(run.status, 1)
        trial = self.refused(run, "eager")
        figures = self.evidence(trial, "ulimit -v")["figures"]
        self.assertEqual(figures["address_space_limit_bytes"], 150000 * 1024)
        self.assertLessEqual(figures["vm_size_bytes"], 150000 * 1024)
        self.assertIn({"source": "ulimit -v (address space, mappings included)", "bytes": 150000 * 1024,
                       "bounds": "address space"}, run.record["machine"]["limits"])

    def test_ulimit_refuses_a_mapping_too(self):
        trial = self.machine.run("ulimit").cell("mmap")["trials"][0]
        self.assertEqual(trial["verdict"], "refused", trial["reason"])
        self.assertEqual(self.evidence(trial, "ulimit -v")["figures"]["address_space_limit_bytes"], 150000 * 1024)

    def test_a_kernel_that_promises_no_more_than_it_has_refuses(self):
        run = self.machine.run("overcommit")
        self.assert_whole(run)
        evidence = self.evidence(self.refused(run, "eager"), "overcommit")
        self.assertIn("vm.overcommit_memory is 2", evidence["said"])
        commit_limit = int(self.machine.text("commit").split()[1]) * 1024
        self.assertEqual(evidence["figures"]["commit_limit_bytes"], commit_limit)
        self.assertLess(evidence["figures"]["committed_bytes"], commit_limit)
        self.assertLess(commit_limit, run.record["checkpoint"]["bytes"])
        self.assertTrue([limit for limit in run.record["machine"]["limits"] if "CommitLimit" in limit["source"]])
        self.assert_ended_by_itself(run.cell("mmap"))

    def test_a_signal_ends_the_run_with_what_was_measured(self):
        run = self.machine.run("cut")
        self.assertEqual(run.status, 130, run.err)
        self.assertTrue(run.record["settings"]["interrupted"])
        self.assertIn("--resume", run.err)
        # By their order: one ended, one was running.
        trials = sorted((trial["order"], trial["verdict"]) for cell in run.record["cells"] for trial in cell["trials"])
        self.assertEqual(trials, [(1, "fits"), (2, "interrupted")])
        events = [line.split(":")[0].strip('{"') for line in self.machine.text("cut.journal").splitlines()]
        self.assertEqual(events, ["record", "begins", "ended", "begins", "ended"])

    def test_resume_finishes_it(self):
        run, before = self.machine.run("resumed"), self.machine.run("cut")
        self.assertEqual(run.status, 0, run.err)
        settings = run.record["settings"]
        self.assertEqual((settings["interrupted"], settings["resumed"]), (False, 1))
        self.assertIn("resumed: 1 of 4 trials were finished before", run.err)
        trials = [trial for cell in run.record["cells"] for trial in cell["trials"]]
        self.assertEqual(sorted((trial["order"], trial["verdict"]) for trial in trials),
                         [(1, "fits"), (2, "fits"), (2, "interrupted"), (3, "fits"), (4, "fits")])
        for cell in run.record["cells"]:
            self.assertEqual(cell["verdict"], "fits", cell["reason"])
            self.assertEqual(sorted(t["number"] for t in cell["trials"] if t["verdict"] == "fits"), [1, 2])
        # What was finished before was not measured again.
        [first] = [trial for cell in before.record["cells"] for trial in cell["trials"] if trial["order"] == 1]
        self.assertIn(first, trials)
        self.assertNotIn("journal", self.machine.text("resumed.files"))


if __name__ == "__main__":
    machine.main()
