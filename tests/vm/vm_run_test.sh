#!/usr/bin/env bash
# What scripts/vm-run promises. Exit status 77, with the reason, where this machine cannot have a virtual one.
# shellcheck disable=SC2016 # what is in single quotes is for the machine's shell
set -uo pipefail
vm_run=$(realpath "$(dirname "$0")/../../scripts/vm-run")
reason=$("$vm_run" --prepare 2>&1)
case $? in
  0) ;;
  125) echo "skipped: $reason"; exit 77 ;;
  *) echo "vm-run --prepare: $reason"; exit 1 ;;
esac
# Its files of a run are made here, so that any that stay behind are seen; a checkout below /tmp is thus tried too.
TMPDIR=$(mktemp -d /tmp/vm_run_test.XXXXXX)
export TMPDIR
files=$(mktemp -d "$PWD/vm_run_test.XXXXXX")
trap 'rm -rf "$TMPDIR" "$files"' EXIT
failures=0

check() { # WHAT WANTED GOT, whose lines are joined by blanks
  local got=${3//$'\n'/ }
  if [ "$2" = "$got" ]; then return; fi
  printf 'FAILED: %s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$got"
  failures=$((failures + 1))
}
between() { # WHAT LOW HIGH GOT
  if [ "$4" -ge "$2" ] && [ "$4" -le "$3" ]; then return; fi
  check "$1" "$2 to $3" "$4"
}

# One machine, most promises: its sizes, its kernel's counters, the environment, an odd argument, a binary file through
# stdout and one through a shared folder, and the command's own status.
head -c 5000000 /dev/urandom >"$files/random"
"$vm_run" --mem 384M --swap 128M --cpus 2 --scratch 1G --rw "$files" --env "WORD=two words" --sysctl vm.swappiness=7 \
  -- sh -c '
    cd "$1" || exit 99
    { awk "/^MemTotal:/ { print \$2 }" /proc/meminfo; awk "/^SwapTotal:/ { print \$2 }" /proc/meminfo; nproc
      stat -f -c "%T" /scratch; cat /proc/sys/vm/swappiness /proc/sys/kernel/task_delayacct; echo "$WORD"; echo "$2"
      test -r /proc/pressure/memory && grep -ow memory /sys/fs/cgroup/cgroup.subtree_control
    } >facts
    echo told >&2
    cat random
    exit 3' sh "$files" "it's * \"odd\"" >"$files/out" 2>"$files/err"
check "the command's own status" 3 $?
check "5 MB through stdout" "$(cksum <"$files/random")" "$(cksum <"$files/out")"
check "stderr" told "$(<"$files/err")"
mapfile -t facts <"$files/facts"
between "memory, KiB" $((320 << 10)) $((384 << 10)) "${facts[0]:-0}"
between "swap, KiB" $((127 << 10)) $((128 << 10)) "${facts[1]:-0}"
check "processors, /scratch, sysctl, delay accounting, environment, argument, PSI and the memory controller" \
  "2 ext2/ext3 7 1 two words it's * \"odd\" memory" "${facts[*]:2}"

# Signals, a cgroup's limit, and what the kernel counts there.
out=$("$vm_run" --cg memory.max=64M --cg memory.swap.max=0 -- sh -c '
  cat /proc/self/cgroup /sys/fs/cgroup/job/memory.max
  (tail /dev/zero) 2>/dev/null
  echo $?
  grep -w oom_kill /sys/fs/cgroup/job/memory.events
  kill -9 $$' 2>/dev/null)
check "killed by signal 9" 137 $?
check "in a cgroup of 64 MiB" "0::/job 67108864 137 oom_kill 1" "$out"

# The whole machine out of memory: the victim dies, the command lives on to say so. Two machines at once.
oom() { "$vm_run" --mem 256M --scratch 0 -- sh -c '(tail /dev/zero); echo $?; grep -w oom_kill /proc/vmstat; exit 4'; }
oom >"$files/first" 2>/dev/null & first=$!
second=$(oom 2>/dev/null)
check "out of memory, status" 4 $?
check "out of memory" "137 oom_kill 1" "$second"
wait $first
check "out of memory in the other machine, status" 4 $?
check "out of memory in the other machine" "137 oom_kill 1" "$(<"$files/first")"

# An ordinary user, to whom a tree of cgroups is delegated.
out=$("$vm_run" --user nobody -- sh -c '
  id -un >/dev/stdout
  cd /sys/fs/cgroup/job && mkdir mine && echo 64M >mine/memory.max && echo $$ >mine/cgroup.procs
  cat /proc/self/cgroup
  echo max 2>/dev/null >memory.max || echo limited' 2>/dev/null)
check "a delegated cgroup" "nobody 0::/job/mine limited" "$out"

# A working folder where the machine has a folder of its own: it is shared by itself, and cannot be written.
mkdir -p "$TMPDIR/clone/.git" "$TMPDIR/clone/folder"
echo here >"$TMPDIR/clone/file"
out=$(cd "$TMPDIR/clone/folder" &&
  "$vm_run" --cgroup none -- sh -c 'cat ../file; pwd; touch it || ls /sys/fs/cgroup' 2>/dev/null)
check "a checkout below /tmp, and no cgroups" "here $TMPDIR/clone/folder" "$out"
rm -r "$TMPDIR/clone"

# Ways to end without the command's status.
"$vm_run" --timeout 3 -- sleep 100 2>"$files/err"
check "timed out, status" 124 $?
check "timed out" "vm-run: stopped after 3 s" "$(<"$files/err")"
"$vm_run" --cg memory.max=nonsense -- true 2>"$files/err"
check "a limit that cannot be set, status" 125 $?
check "a limit that cannot be set" "vm-run: in the machine: cannot set memory.max=nonsense" "$(<"$files/err")"
"$vm_run" --mem lots -- true 2>/dev/null
check "a size that is none, status" 125 $?
"$vm_run" -- sh -c 'echo b >/proc/sysrq-trigger; sleep 100' 2>/dev/null
check "ended without a status" 126 $?

# Stopped from outside, nothing stays: no machine, no file. The console's log is there from QEMU's start on.
"$vm_run" -- sleep 100 & running=$!
until compgen -G "$TMPDIR/vm-run.*/log" >/dev/null || ! kill -0 $running; do sleep 0.1; done
kill -TERM $running
wait $running
check "terminated" 143 $?
check "machines left running" "" "$(grep -als "fil[e]=$TMPDIR/vm-run" /proc/[0-9]*/cmdline)"
check "files left behind" "" "$(ls -A "$TMPDIR")"

[ $failures -eq 0 ] && echo "all as promised"
exit $((failures > 0))
