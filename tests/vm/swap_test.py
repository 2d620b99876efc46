#!/usr/bin/env -S python3 -B
"""A checkpoint larger than the machine's memory, and swap for the rest: the load ends by itself, and the record says
what lay in swap and that it was needed all the same."""
import machine
from machine import MIB


class Swap(machine.MachineTest):
    options = ("--mem", "256M", "--swap", "512M")
    script = """
made resnet-50 --dtype f64
measure swap --strategy eager,mmap --dtype native --cache cold
"""

    def setUp(self):
        self.run_ = self.machine.run("swap")
        self.cell = self.run_.cell("eager")

    def phases(self, figure):
        return [phase[figure] for phase in self.cell["trials"][0]["phases"]]

    def test_the_record_is_valid(self):
        self.assert_valid()
        self.assert_whole(self.run_)

    def test_it_needs_more_than_there_is(self):
        self.assertGreater(self.cell["predicted"]["need_bytes"], self.run_.record["machine"]["available_bytes"])
        self.assertGreater(self.run_.record["machine"]["swap_bytes"], 500 * MIB)

    def test_it_ends_by_itself_and_is_said_to_have_swapped(self):
        self.assert_ended_by_itself(self.cell)
        self.assertIn(self.cell["verdict"], ("swapped", "thrashed"))
        if self.cell["verdict"] == "swapped":  # it may also have thrashed in other ways
            self.assertIn("in swap", self.cell["reason"])

    def test_the_swap_is_counted(self):
        swapped = self.cell["swap_peak_bytes"]
        self.assertGreater(swapped, MIB)
        self.assertEqual(max(self.phases("swap_peak_bytes")), swapped)
        # What lay there was written: whole pages of the machine, of which this worker's are a part.
        self.assertGreaterEqual(sum(self.phases("system_swap_out_pages")) * 4096, swapped)
        # All of it is used after it was loaded.
        self.assertGreater(sum(self.phases("system_swap_in_pages")), 0)
        self.assertGreater(sum(self.phases("refault_anon_pages")), 0)
        self.assertGreater(sum(self.phases("major_faults")), 0)

    def test_what_lies_in_swap_is_needed_too(self):
        self.assert_near(self.cell["need_bytes"], self.cell["predicted"]["need_bytes"] + self.cell["floor_bytes"],
                         self.run_, "the need's peak")
        split = self.cell["at_peak"]
        self.assertEqual(split["anon"] + split["shmem"] + split["swap"] + split["hugetlb"], self.cell["need_bytes"])
        self.assertGreater(split["swap"], MIB)

    def test_a_mapping_needs_no_swap(self):
        cell = self.run_.cell("mmap")
        self.assert_ended_by_itself(cell)
        self.assertNotEqual(cell["verdict"], "swapped", cell["reason"])
        self.assertLess(cell["swap_peak_bytes"], MIB)


if __name__ == "__main__":
    machine.main()
