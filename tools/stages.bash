# Stages of a script, sourced by ./check and ./demo: each says what it does and how long it took.
#
#   stage "building the library" cmake --build build/release
#
# runs the command and ends the script where it fails; $failed_stage then names the stage.

stage_count=0
script_began=$SECONDS

# "3m05s", "12s"
duration() {
  if (($1 >= 60)); then printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); else printf '%ds' "$1"; fi
}

# Colours only where somebody looks.
if [[ -t 1 && ${TERM:-dumb} != dumb ]]; then
  stage_on=$'\e[1m' stage_off=$'\e[0m'
else
  stage_on='' stage_off=''
fi

stage() {
  local title=$1 began=$SECONDS code=0
  shift
  stage_count=$((stage_count + 1))
  printf '\n%s[%d] %s%s\n' "$stage_on" "$stage_count" "$title" "$stage_off"
  "$@" || code=$?
  if ((code != 0)); then
    printf '%s[%d] failed after %s: %s%s\n' "$stage_on" "$stage_count" "$(duration $((SECONDS - began)))" "$title" "$stage_off"
    failed_stage=$title
    return "$code"
  fi
  printf '[%d] done in %s\n' "$stage_count" "$(duration $((SECONDS - began)))"
}

# build_jobs [GIB]: how many compilers may run at once: one a processor, and one for every GIB (1) of memory that is free.
build_jobs() {
  local processors memory
  processors=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  memory=$((memory / ${1:-1}))
  ((memory >= 1)) || memory=1
  echo $((processors < memory ? processors : memory))
}
