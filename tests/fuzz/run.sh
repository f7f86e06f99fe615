#!/bin/sh
# Runs one fuzzer of build/fuzz for some seconds, from its corpus: `tests/fuzz/run.sh SECONDS tests/fuzz/fuzz_NAME.c`.
set -eu

seconds=$1
name=$(basename "$2" .c)
seeds=tests/fuzz/corpus/${name#fuzz_}
found=build/fuzz/corpus/$name
mkdir -p "$found"
[ -d "$seeds" ] || seeds=
# shellcheck disable=SC2086 # no seeds are no argument
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "build/fuzz/tests/fuzz/$name" -max_total_time="$seconds" -max_len=2048 -timeout=10 \
	-verbosity=0 -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" "$found" $seeds >"build/fuzz/$name.log" 2>&1 || {
	tail -n 60 "build/fuzz/$name.log"
	exit 1
}
echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log") inputs in $seconds s, nothing found"
