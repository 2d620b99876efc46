// The lines of real kernels, as they stood in real logs.
#include "harness/probe/kernel_log.h"

#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

TEST_CASE("a kill by a cgroup's limit names the cgroup and what the victim held") {
  const auto kills = parse_oom_lines(
      {"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a/weighbridge-7-1,"
       "task_memcg=/a/weighbridge-7-1,task=weighbridge-wor,pid=4711,uid=0",
       "Memory cgroup out of memory: Killed process 4711 (weighbridge-wor) total-vm:265548kB, anon-rss:101768kB, "
       "file-rss:3936kB, shmem-rss:4kB, UID:0 pgtables:288kB oom_score_adj:1000"});
  REQUIRE(kills.size() == 1);
  CHECK(kills[0].pid == 4711);
  CHECK(kills[0].constraint == "CONSTRAINT_MEMCG");
  CHECK(kills[0].limit_of == "/a/weighbridge-7-1");
  CHECK(kills[0].victim_in == "/a/weighbridge-7-1");
  CHECK(kills[0].anon_rss_bytes == 101768u * 1024);
  CHECK(kills[0].file_rss_bytes == 3936u * 1024);
  CHECK(kills[0].shmem_rss_bytes == 4u * 1024);
  CHECK(kills[0].page_table_bytes == 288u * 1024);
}

TEST_CASE("when the machine is out of memory no cgroup is named") {
  const auto kills = parse_oom_lines(
      {"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=tail,"
       "pid=105,uid=0",
       "Out of memory: Killed process 105 (tail) total-vm:400kB, anon-rss:300kB, file-rss:8kB, shmem-rss:0kB, UID:0 "
       "pgtables:40kB oom_score_adj:0"});
  REQUIRE(kills.size() == 1);
  CHECK(kills[0].constraint == "CONSTRAINT_NONE");
  CHECK(kills[0].limit_of.empty());
  CHECK(kills[0].anon_rss_bytes == 300u * 1024);
}

TEST_CASE("one line alone, two kills, and other lines are told apart") {
  const auto kills =
      parse_oom_lines({"usb 1-1: new device",
                       "Out of memory: Killed process 7 (a) total-vm:4kB, anon-rss:1kB, file-rss:2kB, shmem-rss:3kB",
                       "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/x,task_memcg=/x/y,task=b,pid=8,uid=0"});
  REQUIRE(kills.size() == 2);
  CHECK(kills[0].pid == 7);
  CHECK(kills[0].constraint.empty());
  CHECK(kills[0].anon_rss_bytes == 1024u);
  CHECK(kills[1].pid == 8);
  CHECK_FALSE(kills[1].anon_rss_bytes.has_value());
}

TEST_CASE("a log that holds anything at all harms nothing") {
  for (const char* line : {"", "oom-kill:", "oom-kill:pid=", "Killed process ", "Killed process x", "Killed process 1",
                           "oom-kill:constraint=,oom_memcg=,task_memcg=,pid=99999999999999999999"}) {
    CHECK_NOTHROW(parse_oom_lines({line, line}));
  }
}

}  // namespace
}  // namespace weighbridge::test
