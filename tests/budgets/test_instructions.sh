#!/usr/bin/env bash
# test_instructions BUILD_DIR SOURCE_DIR [--update] - instructions of the daemon's hot paths, within the budgets
# of instructions.txt. Counted by callgrind, in our own code alone (no libc, no libraries, which
# differ by the machine), so without a clock: the same everywhere with the compiler named there.
#
# More than 5 % above a budget fails, and so does a path without a budget. More than 5 % below is said.
# After a change that is meant: run it with --update (a RelWithDebInfo build) and commit the file.
set -euo pipefail

guards=$1/tests/budget_guards
budgets=$2/tests/budgets/instructions.txt
update=${3:-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0

# Instructions of the objects whose path ends in /budget_guards. A line after `calls=` is what the called
# function took, which is counted where it is.
own_instructions() {
  awk '
    /^c?ob=\(/ { # the name comes with the first mention of its number
      number = $0; sub(/^c?ob=/, "", number)
      if (number ~ / /) { name = number; sub(/ .*/, "", number); sub(/^[^ ]* /, "", name); names[number] = name }
      if ($0 ~ /^ob=/) ours = names[number] ~ /\/budget_guards$/
      next
    }
    /^calls=/ { skip = 1; next }
    /^[+*0-9-]/ { if (skip) skip = 0; else if (ours) sum += $2 }
    END { print sum + 0 }' "$1"
}

budget_of() {
  awk -v name="$1" '$1 == name { print $2 }' "$budgets"
}

compiler=$(gcc -dumpfullversion)
known=$(sed -n 's/^# compiler: gcc //p' "$budgets")
if [[ $compiler != "$known" && $update != --update ]]; then
  printf 'not compared: the budgets are of gcc %s, this is %s\n' "$known" "$compiler"
  exit 0
fi

measured=()
for name in $("$guards" --list); do
  passes=$(valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file="$dir/$name" \
    "$guards" "$name" 2>"$dir/log") || { cat "$dir/log" && exit 1; }
  count=$(($(own_instructions "$dir/$name") / passes))
  measured+=("$(printf '%-16s %d' "$name" "$count")")
  [[ $update == --update ]] && continue
  budget=$(budget_of "$name")
  if [[ -z $budget ]]; then
    printf 'FAILED: %s takes %d instructions and has no budget\n' "$name" "$count"
    failures=$((failures + 1))
  elif ((count * 100 > budget * 105)); then
    printf 'FAILED: %s takes %d instructions, its budget is %d (%+d %%)\n' "$name" "$count" "$budget" \
      $((count * 100 / budget - 100))
    failures=$((failures + 1))
  elif ((count * 100 < budget * 95)); then
    printf '%s takes %d instructions, its budget is %d: lower it (%s BUILD SOURCE --update)\n' \
      "$name" "$count" "$budget" "$0"
  else
    printf '%s: %d of %d\n' "$name" "$count" "$budget"
  fi
done

if [[ $update == --update ]]; then
  {
    sed -n '/^#/p' "$budgets" | sed "s/^# compiler: .*/# compiler: gcc $compiler/"
    printf '%s\n' "${measured[@]}"
  } >"$dir/new"
  cp "$dir/new" "$budgets"
  cat "$budgets"
fi
exit $((failures > 0))
