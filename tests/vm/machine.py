"""What the tests on a failing machine share: the machine, what ran in it, and what it left behind.

Each test has a small virtual machine of its own (scripts/vm-run), in which a script measures; the records come back and
are judged here. Counts, events, verdicts and orders are, times never: the machine is emulated.

    NAME_test.py WEIGHBRIDGE     exit status 77, with the reason, where this machine cannot have a virtual one
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
VM_RUN = os.path.join(SOURCE, "scripts", "vm-run")
MIB = 1 << 20

ENDED_BY_ITSELF = ("fits", "fits-reclaiming", "swapped", "thrashed")
FITS = ("fits", "fits-reclaiming")

# In the machine, before a test's own script. $model is where that puts its checkpoint. The programs are copied to the
# disk, as their pages are read again and again when memory is short.
PRELUDE = r"""
set -u
model=/scratch/model.safetensors
cd "$SHARED" && mkdir /scratch/bin && cp bin/* /scratch/bin/ || exit 99
PATH=/scratch/bin:$PATH
made() { weighbridge synth "$@" -o "$model" >/dev/null || exit 98; }
measure() { # NAME ARGUMENT...: weighbridge run; NAME.json, .out, .err and .status are what became of it
  measured=$1
  shift
  weighbridge run "$model" --repeat 1 --seed 1 "$@" --out "/scratch/$measured" >"$measured.out" 2>"$measured.err"
  took $?
}
took() { # STATUS
  echo "$1" >"$measured.status"
  [ ! -e "/scratch/$measured/record.json" ] || cp "/scratch/$measured/record.json" "$measured.json"
}
cgroups() { # where this shell is, every cgroup, and what is set in each
  cat /proc/$$/cgroup
  find /sys/fs/cgroup -type d | sort | while read -r folder; do
    echo "$folder:"
    cd "$folder" && cat cgroup.subtree_control memory.max memory.high memory.swap.max 2>/dev/null
  done
}
"""


class Run:
    """One `weighbridge run` in the machine."""

    def __init__(self, folder, name):
        def text(suffix):
            with open(os.path.join(folder, name + suffix), encoding="utf-8") as file:
                return file.read()

        self.status = int(text(".status"))
        self.out, self.err = text(".out"), text(".err")
        if not os.path.exists(os.path.join(folder, name + ".json")):
            raise AssertionError(f"{name} wrote no record, exit status {self.status}: {self.err}")
        self.record = json.loads(text(".json"))

    def cell(self, strategy, limit=None):
        found = [cell for cell in self.record["cells"]
                 if cell["strategy"] == strategy and cell["limit_bytes"] == limit]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} cells of {strategy} in {limit}")
        return found[0]

    def verdicts(self):
        """(strategy, limit) -> verdict"""
        return {(cell["strategy"], cell["limit_bytes"]): cell["verdict"] for cell in self.record["cells"]}


class Machine:
    """Starts one, runs the script in it, and keeps what that left in the shared folder until close()."""

    def __init__(self, script, options):
        self.folder = tempfile.mkdtemp(prefix="weighbridge-vm.")
        try:
            self._start(script, options)
        except BaseException:
            self.close()
            raise

    def _start(self, script, options):
        os.chmod(self.folder, 0o777)  # the command may be another user's
        programs = os.path.join(self.folder, "bin")
        os.mkdir(programs)
        for name in ("weighbridge", "weighbridge-worker"):
            copy = shutil.copy(os.path.join(os.path.dirname(program), name), programs)
            if shutil.which("strip"):  # debug information is most of it, and the link to this folder is slow
                subprocess.run(["strip", copy], stderr=subprocess.DEVNULL, check=False)
        with open(os.path.join(self.folder, "script"), "w", encoding="utf-8") as file:
            file.write(PRELUDE + script)
        # An emulated machine has been seen to stand still, once in some twenty runs on a loaded host; what was in it is
        # not known. It is started once more, and that is said.
        for last in (False, True):
            ended = subprocess.run(
                [VM_RUN, "--cpus", "2", "--verbose", "--rw", self.folder, "--env", f"SHARED={self.folder}", "--timeout",
                 "240", *options, "--", "sh", os.path.join(self.folder, "script")],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
            if ended.returncode != 124 or last:
                break
            print(f"not tried: the machine stood still for 240 s, and is started again; it had said:\n{ended.stdout}"
                  f"{ended.stderr}", file=sys.stderr)
        if ended.returncode == 125 and "not installed here" in ended.stderr:
            raise unittest.SkipTest(ended.stderr.strip())
        if ended.returncode != 0:
            raise AssertionError(f"the script in the machine ended with {ended.returncode}\n{ended.stdout}{ended.stderr}")

    def text(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def run(self, name):
        return Run(self.folder, name)

    def records(self):
        return sorted(os.path.join(self.folder, name) for name in os.listdir(self.folder) if name.endswith(".json"))

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class MachineTest(unittest.TestCase):
    """A test of one machine: `options` of vm-run, and the `script` that measures in there."""

    options, script = (), ""
    machine = None
    longMessage = True

    @classmethod
    def setUpClass(cls):
        if cls.script:
            cls.machine = Machine(cls.script, cls.options)

    @classmethod
    def tearDownClass(cls):
        if cls.machine:
            cls.machine.close()

    def evidence(self, trial, source):
        """The one piece of evidence of this source."""
        found = [evidence for evidence in trial["evidence"] if evidence["source"] == source]
        self.assertEqual(len(found), 1, f"{source} in {trial['evidence']}")
        return found[0]

    def assert_valid(self):
        """Every record that came back, under the schema."""
        records = self.machine.records()
        self.assertTrue(records)
        ended = subprocess.run(
            [sys.executable, os.path.join(SOURCE, "tests", "reports", "validate_record.py"),
             os.path.join(SOURCE, "reports", "schema", "record.schema.json"), *records],
            capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)

    def assert_whole(self, run):
        """Nothing was lost: each cell has its trial, and the exit status is that of what fits."""
        self.assertFalse(run.record["settings"]["interrupted"])
        for cell in run.record["cells"]:
            self.assertEqual([trial["verdict"] for trial in cell["trials"]], [cell["verdict"]])
        fits = any(verdict in FITS for verdict in run.verdicts().values())
        self.assertEqual(run.status, 0 if fits else 1, run.err)

    def assert_ended_by_itself(self, cell):
        self.assertIn(cell["verdict"], ENDED_BY_ITSELF, cell["reason"])
        self.assertEqual([trial["exit_status"] for trial in cell["trials"]], [0])
        self.assertNotEqual(cell["checksum"], "")

    def assert_near(self, measured, true, run, what):
        """As near as a need is promised to be: 0.5 % and 2 MiB, and what the kernel's counters lag behind here."""
        self.assertAlmostEqual(measured, true, delta=true // 200 + 2 * MIB + run.record["machine"]["error_bytes"],
                               msg=what)

    def assert_oom_killed(self, trial):
        self.assertEqual((trial["verdict"], trial["exit_signal"]), ("oom-killed", 9), trial["reason"])

    def assert_counted(self, trial, source, before, after):
        self.assertEqual(self.evidence(trial, source)["figures"], {"oom_kill_before": before, "oom_kill_after": after})


program = ""  # of `weighbridge`; the worker lies beside it


def main():
    global program
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} WEIGHBRIDGE [TEST...]")
    program = os.path.realpath(sys.argv.pop(1))
    prepared = subprocess.run([VM_RUN, "--prepare"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
    if prepared.returncode == 125:
        print(f"skipped: {prepared.stderr.strip()}")
        sys.exit(77)
    if prepared.returncode != 0:
        sys.exit(f"vm-run --prepare: {prepared.stderr.strip()}")
    unittest.main(verbosity=2)
