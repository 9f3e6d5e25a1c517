#!/usr/bin/env bash
# The model of lease, fencing, detector, burial, adoption and sweep (coordination.pml): spin finds no
# fault in it, and finds the harm when a guarding rule is taken out.
set -euo pipefail
model=$2/tests/spin/coordination.pml
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# look NAME SPIN-OPTIONS COMPILE-OPTIONS RUN-OPTIONS: the verifier's output in NAME.out
look() {
  local name=$1 spin_options=$2 compile_options=$3 run_options=$4
  mkdir "$name"
  (
    cd "$name"
    # shellcheck disable=SC2086 # options are words
    spin -a $spin_options "$model" >spin.out 2>&1 || { cat spin.out; exit 1; }
    # shellcheck disable=SC2086
    cc -O1 -w -DCOLLAPSE $compile_options -o pan pan.c
    # shellcheck disable=SC2086
    ./pan -m200000 $run_options >../"$name.out" 2>&1 || true
  )
  if ! grep -q 'errors: ' "$name.out" || grep -q 'max search depth too small' "$name.out"; then
    cat "$name.out"
    echo "$name: spin did not look at all of it"
    exit 1
  fi
}

fine() {
  look "$@"
  if ! grep -q 'errors: 0' "$1.out"; then
    cat "$1.out"
    echo "$1: the model itself breaks a rule"
    exit 1
  fi
  echo "$1: $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$1.out") states, no fault"
}

# harm EXPECTED NAME ...: the text by which the harm is known
harm() {
  local expected=$1
  shift
  look "$@"
  if ! grep -q "$expected" "$1.out"; then
    cat "$1.out"
    echo "$1: without its rule the model should break"
    exit 1
  fi
  echo "$1: found ($expected)"
}

fine safety "" -DSAFETY ""
fine leaders -DLIVE -DNFAIR=4 "-a -f"
harm 'assertion violated.*acts\[0\]&&acts' no-epoch -DNO_EPOCH -DSAFETY ""
harm 'assertion violated (held_epoch' no-fence -DNO_FENCE -DSAFETY ""
harm 'assertion violated.*spoke' no-score -DNO_SCORE -DSAFETY ""
harm 'assertion violated (member' no-incarnation -DNO_INCARNATION -DSAFETY ""
harm 'acceptance cycle' no-sweep "-DLIVE -DNO_SWEEP" -DNFAIR=4 "-a -f"
