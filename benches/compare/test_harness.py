"""Units of the harness: python3 -m unittest discover -s benches/compare"""

import os
import tempfile
import time
import unittest
from pathlib import Path

from harness import gate, load, options, process, summary
from harness.errors import RoundFailed
from harness.measure import Round, check_audit, near_the_end
from harness.proxies import Place, haechi, nginx
from harness.settings import SETTINGS


def measured(cpu_us: float, resident_mib: float = 1) -> Round:
    return Round(1, cpu_us, 1, 1, 1, 1, int(resident_mib * 1024), 1)


class Targets(unittest.TestCase):
    def verdicts(self, rounds, connections=64):
        found = summary.targets(summary.Results(rounds=rounds), connections)
        return {target.title.split(",")[0]: target for target in found}

    def test_the_medians_decide_and_the_pairs_give_the_spread(self):
        rounds = {("jwt", "haechi"): [measured(c) for c in (10, 20, 40)], ("plain", "nginx"): [measured(16) for _ in range(3)]}
        target = self.verdicts(rounds)["haechi jwt / nginx plain"]
        self.assertEqual((target.value, target.least, target.most, target.verdict), (1.25, 0.625, 2.5, "met"))

    def test_over_the_limit_is_not_met(self):
        rounds = {("jwt-cold", "haechi"): [measured(36.1)], ("jwt", "haechi"): [measured(20)]}
        self.assertEqual(self.verdicts(rounds)["haechi jwt-cold - haechi jwt"].verdict, "not met")

    def test_without_both_rows_nothing_is_claimed(self):
        found = self.verdicts({("routes-10k", "haechi"): [measured(1)]})
        self.assertEqual({target.verdict for target in found.values()}, {"not measured"})

    def test_the_most_memory_counts_and_only_at_64_connections(self):
        rounds = {("plain", "haechi"): [measured(1, 21), measured(1, 5)], ("jwt", "haechi"): [measured(1, 6)]}
        title = "haechi resident memory at 64 connections under load"
        self.assertEqual(self.verdicts(rounds)[title].verdict, "not met")
        self.assertEqual(self.verdicts(rounds, connections=8)[title].verdict, "not measured")


    def test_everything_has_an_aim_with_and_without_the_trail(self):
        rounds = {("plain", "nginx"): [measured(20)], ("everything", "haechi"): [measured(25.1)], ("everything+audit", "haechi"): [measured(28)]}
        found = self.verdicts(rounds)
        self.assertEqual(found["haechi everything / nginx plain"].verdict, "not met")
        self.assertEqual(found["haechi everything+audit / nginx plain"].verdict, "met")


class Configurations(unittest.TestCase):
    def written(self, setting: str) -> tuple[str, str]:
        with tempfile.TemporaryDirectory() as directory:
            place = Place(Path("/bin/true"), Path(directory), 1, 2, 3, SETTINGS[setting], None)
            nginx.launch(place)
            return "\n".join(haechi.lines(place)), Path(directory, "nginx.conf").read_text()

    def test_only_settings_with_a_limit_have_one(self):
        for name, setting in SETTINGS.items():
            ours, theirs = self.written(name) if setting.protocol != "https" else ("", "")
            with self.subTest(name):
                self.assertEqual("rate_limit:" in ours, bool(setting.limit))
                self.assertEqual(("limit_req_zone" in theirs, "limit_req zone" in theirs), (bool(setting.limit), bool(setting.limit)))

    def test_everything_is_limited_by_subject_and_the_trail_is_required(self):
        self.assertIn("by: subject", self.written("everything")[0])
        self.assertNotIn("audit:", self.written("everything")[0])
        self.assertIn("mode: required, durability: written", self.written("everything+audit")[0])

    def test_what_recording_costs_is_measured_with_and_without_it(self):
        self.assertIn('target: "off"', self.written("unrecorded")[0])
        self.assertNotIn("audit:", self.written("unrecorded")[0])
        self.assertIn("durability: synced", self.written("recorded-synced")[0])


class Records(unittest.TestCase):
    def test_one_missing_record_drops_the_row_and_full_files_count(self):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "haechi.jsonl")
            file.write_text('{"event":"decision"}\n{"event":"checkpoint"}\n')
            Path(directory, "haechi-20261127T130000.123Z.jsonl").write_text('{"event":"decision"}\n')
            check_audit(file, 2)
            with self.assertRaises(RoundFailed):
                check_audit(file, 3)


class Requests(unittest.TestCase):
    def test_paths_and_tokens_go_round_together(self):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "requests.txt")
            load.write_requests(file, ["/a", "/b", "/c"], ["t"])
            self.assertEqual(file.read_text(), "/a\tt\n/b\tt\n/c\tt\n")
            load.write_requests(file, ["/a"], [])
            self.assertEqual(file.read_text(), "/a\n")

    def test_every_route_is_asked(self):
        self.assertEqual(len(set(SETTINGS["routes-10k"].paths)), 10_000)

    def test_a_spoiled_token_differs_in_its_signature_alone(self):
        good = "head.payload." + "x" * 342
        bad = gate.spoiled(good)
        self.assertNotEqual(bad, good)
        self.assertEqual((bad[:13], len(bad)), (good[:13], len(good)))


class Http2Load(unittest.TestCase):
    TEXT = "requests: 12 total, 12 started, 11 done, 9 succeeded, 2 failed, 1 errored, 0 timeout\n"

    def test_counts_come_from_the_report_and_times_from_the_log(self):
        log = "".join(f"17\t200\t{us}\n" for us in range(100, 0, -1))
        numbers = load.h2load_numbers(self.TEXT, log, 5)
        self.assertEqual((numbers["requests"], numbers["read"], numbers["status"]), (9, 1, 1))
        self.assertEqual((numbers["p50_us"], numbers["p99_us"]), (51, 100))

    def test_without_a_report_there_are_no_numbers(self):
        self.assertIsNone(load.h2load_numbers("", "", 5))


class Options(unittest.TestCase):
    def test_rows_keep_their_order_whatever_the_flag_says(self):
        self.assertEqual(options.parsed(["--only", "haechi,nginx"]).only, ["nginx", "haechi"])


class Processes(unittest.TestCase):
    def test_run_time_counts_children_and_stop_ends_them(self):
        with tempfile.TemporaryDirectory() as directory:
            busy = "while :; do :; done"
            child = process.Process(["sh", "-c", f"({busy}) & sleep 60"], min(os.sched_getaffinity(0)), Path(directory))
            deadline = time.monotonic() + 20
            while child.cpu_us() < 50_000 and time.monotonic() < deadline:
                time.sleep(0.01)
            seen, pids = child.cpu_us(), process.tree(child.child.pid)
            child.stop()
        self.assertGreaterEqual(seen, 50_000)
        self.assertEqual(len(pids), 3)
        self.assertFalse([pid for pid in pids if running(pid)])


def running(pid: int) -> bool:
    """A process that has ended but was not yet collected by its parent is not running."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX":
                return False
        except OSError:
            return False
        time.sleep(0.01)
    return True


class Samples(unittest.TestCase):
    def test_the_last_samples_may_be_after_the_load(self):
        self.assertEqual([near_the_end([1, 2, 3, 4]), near_the_end([1])], [2, 1])


if __name__ == "__main__":
    unittest.main()
