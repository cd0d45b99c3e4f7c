# The parts of the quickstart, sourced by run. What a person would type is printed behind "$ ", what is seen below it.

first_version=1.0.0 second_version=1.1.0
temp='' controller='' loads=() slow=''

# ---- telling ---------------------------------------------------------------------------------------------------------------

title() { printf '\n== %s (%d s)\n\n' "$1" "$SECONDS"; }
see() { sed 's/^/    /'; }
remark() { printf '  # %s\n' "$*"; }
enter() { # types a command and shows what it prints; fails as it does
  local word line=
  for word in "$@"; do
    case $word in *[!a-zA-Z0-9_./:=@~^-]*) word="'$word'" ;; esac
    line+=" $word"
  done
  printf '$%s\n' "$line"
  "$@" 2>&1 | see
}
nelson() { "$NELSON" "$@"; }
tell() { python3 "$here/tell.py" "$@"; }
now() { date +%s.%3N; }
at_least() { awk -v a="$1" -v b="$2" 'BEGIN {exit !(a + 0 >= b + 0)}'; }

broken() {
  printf '\nBROKEN PROMISE: %s\n' "$*" >&2
  if [ -n "$temp" ] && [ -f "$temp/controller.log" ]; then
    printf -- '---- the end of the log of nelson run\n' >&2
    tail -n 40 "$temp/controller.log" >&2
    printf -- '---- nelson status\n' >&2
    timeout 10 "$NELSON" status >&2 || printf 'no answer, or trouble as printed\n' >&2
  fi
  exit 1
}

wait_for() { # seconds, what is waited for, command...: looks several times a second
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until ("$@") >/dev/null 2>&1; do # in a shell of its own, so that what ends us meanwhile can still speak
    [ "$SECONDS" -lt "$until" ] || broken "waited in vain for: $what"
    controller_lives || broken "nelson run has ended by itself while waiting for: $what"
    sleep 0.2
  done
}
controller_lives() { [ -z "$controller" ] || [ -d "/proc/$controller" ]; }

# ---- place, and leaving it -----------------------------------------------------------------------------------------------

build_nelson() {
  local options=(-DCMAKE_BUILD_TYPE=Release -DNELSON_SANITIZE=)
  # A build folder that also has the tests keeps them.
  [ -f "$top/build/CMakeCache.txt" ] || options+=(-DNELSON_TESTS=OFF)
  mkdir -p "$top/build"
  cmake -G Ninja -S "$top" -B "$top/build" "${options[@]}" >"$top/build/configure.log" 2>&1 || {
    cat "$top/build/configure.log" >&2
    exit 1
  }
  ninja -C "$top/build" --quiet nelson
  printf 'built: build/nelson, "%s" (%d s)\n' "$("$top/build/nelson" version)" "$SECONDS"
}

make_a_place() {
  temp=$(mktemp -d "${TMPDIR:-/tmp}/nelson-quickstart.XXXXXX")
  chmod 711 "$temp" # what is deployed runs as a user of its own, and must get to its folder
  users_before=$(cut -d: -f1 /etc/passwd | sort)
  groups_before=$(cut -d: -f1 /etc/group | sort)
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  export NELSON=$top/build/nelson NELSON_CONFIG=$temp/site/nelson.yml
  export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$temp/gitconfig PYTHONDONTWRITEBYTECODE=1
  printf '[user]\n\tname = A Person\n\temail = person@example.org\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n' >"$temp/gitconfig"
  cd "$temp"
}

owner() { awk '$1 == "id:" {print $2; exit}' "$temp/site/control/owner.yml" 2>/dev/null; }
our_groups() { # control groups that were made for what is deployed, innermost first
  local owner
  owner=$(owner)
  [ -n "$owner" ] || return 0
  find /sys/fs/cgroup -depth -type d \( -path "*/nelson/$owner" -o -path "*/nelson/$owner/*" \) 2>/dev/null
}

# What was started, by its ids: nelson and HAProxy with our folder among their arguments, and what is deployed. Nothing else that a person
# may have opened in these folders.
ours() {
  local process program cwd arguments group
  for group in $(our_groups); do cat "$group/cgroup.procs" 2>/dev/null || continue; done
  for process in /proc/[0-9]*; do
    process=${process#/proc/}
    program=$(readlink "/proc/$process/exe" 2>/dev/null) || continue
    cwd=$(readlink "/proc/$process/cwd" 2>/dev/null) || continue
    case $cwd in "$temp/site/"*"/trees/"* | "$temp/site/"*"/stacks/"*) printf '%s\n' "$process" ;; esac
    case $program in */nelson* | */haproxy* | */python3*) ;; *) continue ;; esac
    arguments=$({ tr '\0' ' ' <"/proc/$process/cmdline"; } 2>/dev/null) || continue
    case $arguments in *"$temp/"*) printf '%s\n' "$process" ;; esac
  done
}

end_ours() {
  local round process left
  for round in $(seq 100); do
    left=$(cd / && ours)
    [ -n "$left" ] || return 0
    for process in $left; do kill -KILL "$process" 2>/dev/null || continue; done # it may have ended by itself
    sleep 0.1
  done
  printf 'still running: %s\n' "$left" >&2
}

leave() {
  local status=$? name folder
  trap '' INT TERM HUP
  if [ "$keep" = yes ] && [ "$status" -eq 0 ]; then
    trap - EXIT
    how_to_stop
    exit 0
  fi
  cd /
  if [ -n "$controller" ]; then kill -TERM "$controller" 2>/dev/null || controller=; fi
  end_ours
  for folder in $(our_groups); do rmdir "$folder" || continue; done # control groups outlive their processes
  for folder in /sys/fs/cgroup/nelson /sys/fs/cgroup/*/nelson; do rmdir "$folder" 2>/dev/null || continue; done # unless others use it
  # The user that `nelson init` made, if it was not there before.
  for name in $(comm -13 <(printf '%s\n' "$users_before") <(cut -d: -f1 /etc/passwd | sort)); do userdel "$name"; done
  for name in $(comm -13 <(printf '%s\n' "$groups_before") <(cut -d: -f1 /etc/group | sort)); do groupdel "$name"; done
  rm -rf --one-file-system "$temp"
  if [ "$status" -eq 0 ]; then
    printf '\nLeft behind: the packages and the build. (%d s)\n' "$SECONDS"
  else
    printf '\nStopped with status %d; everything it had started was ended.\n' "$status" >&2
  fi
}

how_to_stop() {
  cat <<END

Everything is still running in $temp; steady requests have been stopped.
  the page      http://$page/
  look          export NELSON_CONFIG=$NELSON_CONFIG; $NELSON status
  change        cd $temp/howdy, edit, git commit, git push
  stop          $temp/stop
END
  {
    printf '#!/usr/bin/env bash\nset -u\nhere=%q\ntop=%q\nkeep=no\ncontroller=%q\n' "$here" "$top" "$controller"
    printf '. "$here/story.sh"\ntemp=%q\ncontroller=%q\nusers_before=%q\ngroups_before=%q\nleave\n' \
      "$temp" "$controller" "$users_before" "$groups_before"
  } >"$temp/stop"
  chmod 755 "$temp/stop"
}

# ---- the story -------------------------------------------------------------------------------------------------------------

free_ports() { # how many: the first of so many that are free together
  python3 - "$1" <<'END'
import random
import socket
import sys

many = int(sys.argv[1])
for first in random.sample(range(20000, 32000, many), 50):
    sockets = [socket.socket() for _ in range(many)]
    try:
        for offset, one in enumerate(sockets):
            one.bind(("127.0.0.1", first + offset))
        print(first)
        break
    except OSError:
        continue
    finally:
        for one in sockets:
            one.close()
END
}

start_controller() {
  printf '$ nelson run --config %s &\n' "$NELSON_CONFIG"
  "$NELSON" run --config "$NELSON_CONFIG" >>"$temp/controller.log" 2>&1 </dev/null &
  controller=$!
  wait_for 20 "the controller's page at http://$page/" tell_page
}
tell_page() { python3 -c 'import sys, urllib.request; urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=2)' "http://$page/healthz"; }

begin() {
  local ports
  ports=$(free_ports 200)
  page=127.0.0.1:$ports
  enter nelson init site
  shorten_times "$((ports + 1))" "$((ports + 149))" "$((ports + 199))"
  remark 'Everything is shorter here than in earnest, so that a life fits into minutes:'
  enter cat site/control/domains/local.yml
  (cd site/control && git add -A && git commit -q -m 'local: short lifetimes, to watch a whole life')
  sed -i -E "s|^#? *listen:.*|listen: $page|; s|^#? *poll:.*|poll: 1 second|" site/nelson.yml
  enter cat site/nelson.yml
  grep -q "^listen: $page" site/nelson.yml && grep -q '^poll: 1 second' site/nelson.yml || broken 'nelson init wrote no listen: or poll: line'
  start_controller
  printf '    the page: http://%s/\n' "$page"
}

shorten_times() { # first and last port of instances, last one of stable addresses
  local file=site/control/domains/local.yml
  [ -f "$file" ] || broken 'nelson init made no domains/local.yml'
  cp "$file" "$temp/local.yml.made"
  {
    grep -E '^(folder|run_as):' "$temp/local.yml.made"
    cat <<END
traffic_shift: {policy: linear, duration: 20 seconds}             # 20 minutes by default
lifetimes: {initial: 10 seconds, extended: 15 seconds}            # 30 minutes both: of a new stack; of one that nothing keeps any more
ready_after: 2 seconds                                            # 30 seconds by default, for units without health checks
stop_grace: 5 seconds                                             # between SIGTERM and SIGKILL
drain_limit: 30 seconds                                           # how long an answer in flight may hold a removal
ports: {instances: $1-$2, stable: $(($2 + 1))-$3}
END
  } >"$file"
}

make_repository() { # name: a remote and a working copy, from our files
  enter git init -q --bare "$temp/remotes/$1.git"
  enter git clone -q "$temp/remotes/$1.git" "$1" 2>&1 | grep -v 'empty repository'
  cp -R "$here/$1/." "$1/"
}

watch_repository() { # name: the control repository says that it may deploy
  printf 'url: file://%s/remotes/%s.git\nrelease: branch\n' "$temp" "$1" >"site/control/repositories/$1.yml"
  enter cat "site/control/repositories/$1.yml"
  enter git -C site/control add -A
  enter git -C site/control commit -q -m "repositories: $1"
}

push() { # name, message: commits what lies in the working copy and pushes it; the id is in $pushed
  enter git -C "$1" add -A
  enter git -C "$1" commit -q -m "$2"
  enter git -C "$1" push -q origin HEAD
  pushed=$(git -C "$1" rev-parse HEAD)
}

live() { # blocks until what was pushed is live
  enter nelson wait --commit "$pushed" --timeout "$1" || broken "nelson wait says that $pushed is not live"
}

first_release() {
  local started=$SECONDS
  mkdir -p remotes
  make_repository howdy
  enter cat howdy/.nelson.yml howdy/howdy.deployable.yml
  watch_repository howdy
  push howdy 'howdy 1.0.0'
  live 60s
  first=$(tell stack howdy "$first_version") || broken 'there is no stack of howdy 1.0.0'
  [ "$(tell healthy "$first")" = 2 ] || broken "$first has $(tell healthy "$first") healthy instances, not 2"
  printf '    the first stack was live %d s after its push\n' $((SECONDS - started))
  enter nelson status || broken 'nelson status says that something is wrong'
}

second_repository() {
  make_repository gateway
  watch_repository gateway
  push gateway 'gateway 1.0.0, tally 1.0.0'
  live 60s
  # What calls howdy is told one address, which stays the same from release to release.
  wait_for 10 'the log of gateway' address_of_howdy
  enter nelson logs gateway
  howdy=$(address_of_howdy)
  enter fetch "$howdy"
  gateway=$(gateway_endpoint)
  enter fetch "$gateway"
  start_load "$howdy" "$temp/howdy.record" 40
  start_load "$gateway" "$temp/gateway.record" 10
  remark 'from here on 50 requests a second are made, through HAProxy; not one may fail'
}
address_of_howdy() { nelson logs gateway | grep -oE 'calls http://[^ ]+' | sed 's/calls //' | grep . | tail -n 1; }
gateway_endpoint() { # the caller itself is asked at its instance: its own port
  printf 'http://127.0.0.1:%s/\n' "$(nelson logs gateway | grep -oE 'listens on [0-9]+' | grep -oE '[0-9]+' | tail -n 1)"
}
fetch() { python3 -c 'import sys, urllib.request; print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=10).read().decode(), end="")' "$1"; }
start_load() { # url, record, requests per second
  python3 "$here/load.py" "$@" </dev/null &
  loads+=($!)
  wait_for 10 "answers at $1" test -s "$2"
}

change_howdy() { # version, instances, greeting
  sed -i "s/^version: .*/version: $1/" howdy/howdy.deployable.yml
  sed -i "s/instances: {desired: [0-9]*}/instances: {desired: $2}/" howdy/.nelson.yml
  printf '%s\n' "$3" >howdy/app/greeting.txt
}

next_release() {
  local foretold
  change_howdy "$second_version" 3 'howdy, the second'
  enter git -C howdy diff -U0
  remark 'Before the push: what would it do?'
  printf '$ nelson diff howdy\n'
  foretold=0
  nelson diff howdy >"$temp/diff.txt" 2>&1 || foretold=$?
  see <"$temp/diff.txt"
  [ "$foretold" -eq 1 ] || broken "nelson diff ended with $foretold, not with 1 (changes)"
  nelson diff howdy -o json >"$temp/diff.json" || [ $? -eq 1 ] || broken 'nelson diff -o json could not tell'
  remark 'A slow answer is on its way from the old version; it must arrive whole.'
  python3 "$here/slow.py" "${howdy}slow?seconds=25" >"$temp/slow.answer" 2>&1 </dev/null &
  slow=$!
  push howdy 'howdy 1.1.0 with three instances'
  wait_for 60 'the stack of howdy 1.1.0' tell stack howdy "$second_version"
  second=$(tell stack howdy "$second_version")
  tell diff "$temp/diff.json" launch "$second" || broken "nelson diff had not foretold the launch of $second"
  wait_for 60 'traffic moving to it' share_at_least "$second" 1
  enter nelson status || broken 'nelson status says that something is wrong'
}
share_at_least() { at_least "$(tell field "$1" percent)" "$2"; }

kill_in_mid_shift() {
  local pids_before since counted share count planned after
  wait_for 40 'the middle of the shift' share_at_least "$second" 30
  pids_before=$(tell pids "$temp/howdy.record" "$second" 0)
  printf '$ kill -KILL %s    # the controller\n' "$controller"
  kill -KILL "$controller"
  wait "$controller" 2>/dev/null || controller= # its status is that of the signal
  planned=$(tell recorded "$temp/site/local" "$second")
  since=$(now)
  wait_for 60 '600 answers without a controller' enough_answers "$since" 600
  counted=$(tell share "$temp/howdy.record" "$second" "$since" "$(now)")
  share=${counted% *} count=${counted#* }
  printf '    planned for %s when it was killed: %s%%; without a controller: %s%% of %s answers\n' "$second" "$planned" "$share" "$count"
  at_least "$share" "$((planned - 4))" && at_least "$((planned + 4))" "$share" ||
    broken "the share that was counted ($share%) is not the one that was planned ($planned%)"
  [ -z "$(tell failures "$temp/howdy.record")" ] || broken "requests failed: $(tell failures "$temp/howdy.record" | head -n 3)"
  start_controller
  wait_for 20 'its first pass' known "$second" # the page answers before
  after=$(tell field "$second" percent)
  at_least "$((planned + 15))" "$after" || broken "the shift jumped from $planned% to $after% while nobody looked"
  printf '    started again, and now %s%%: the shift goes on where it was\n' "$after"
  live 90s
  enter nelson status || broken 'nelson status says that something is wrong'
  [ "$(tell field "$second" percent)" = 100 ] || broken "$second has $(tell field "$second" percent)% of the traffic, not 100%"
  same_processes "$second" "$pids_before" 3
  wait "$slow" || broken "the slow answer did not arrive whole: $(tail -n 1 "$temp/slow.answer")"
  enter cat "$temp/slow.answer"
  wait_for 90 "the retirement of $first" gone "$first"
  tell diff "$temp/diff.json" remove "$first" || broken "nelson diff had not foretold the removal of $first"
  printf '    %s is retired: nothing needed it any more\n' "$first"
}
enough_answers() { at_least "$(tell count "$temp/howdy.record" "$1")" "$2"; }
known() { tell field "$1" percent >/dev/null 2>&1; }
gone() { ! tell field "$1" status; }
same_processes() { # stack, process ids seen before, how many there should be now at least
  local pid pids_now
  wait_for 20 'answers of every instance' every_instance_answered "$1" "$3"
  pids_now=$(tell pids "$temp/howdy.record" "$1" 0)
  for pid in $2; do [ -d "/proc/$pid" ] || broken "process $pid of $1 is gone"; done
  [ "$(wc -w <<<"$pids_now")" -eq "$3" ] || broken "$1 was answered for by the processes $pids_now, and there should be $3"
  printf '    the processes of %s: %s; before: %s\n' "$1" "$pids_now" "$2"
}
every_instance_answered() { [ "$(tell pids "$temp/howdy.record" "$1" 0 | wc -w)" -ge "$2" ]; }

scale_in_place() {
  local pids_before
  pids_before=$(tell pids "$temp/howdy.record" "$second" 0)
  change_howdy "$second_version" 4 'howdy, the second'
  printf '$ nelson diff howdy\n'
  nelson diff howdy >"$temp/diff.txt" 2>&1 || [ $? -eq 1 ] || broken 'nelson diff could not tell'
  see <"$temp/diff.txt"
  grep -q 'scale' "$temp/diff.txt" || broken 'nelson diff does not speak of scaling'
  push howdy 'howdy: four instances'
  live 60s
  wait_for 30 'four healthy instances' four_healthy
  [ "$(tell stack howdy "$second_version")" = "$second" ] || broken 'another stack was made of a mere change of instances'
  same_processes "$second" "$pids_before" 4
  [ "$(tell field "$second" percent)" = 100 ] || broken 'scaling moved traffic'
}
four_healthy() { [ "$(tell healthy "$second")" = 4 ]; }

roll_back() {
  remark 'Both pushes are undone, as in any repository:'
  enter git -C howdy revert --no-edit HEAD~2..HEAD
  enter git -C howdy push -q origin HEAD
  pushed=$(git -C howdy rev-parse HEAD)
  live 120s
  [ "$(tell stack howdy "$first_version")" = "$first" ] || broken 'the stack of 1.0.0 has another name than before'
  [ "$(tell field "$first" percent)" = 100 ] || broken "$first has $(tell field "$first" percent)% of the traffic, not 100%"
  enter fetch "$howdy"
  fetch "$howdy" | grep -q 'howdy, the first' || broken 'it is not the first version that answers'
  enter nelson status || broken 'nelson status says that something is wrong'
}

account() {
  local load answers
  for load in "${loads[@]}"; do
    kill -TERM "$load" || broken 'the requests ended by themselves'
    wait "$load" || broken "the requests ended with exit status $?"
  done
  answers=$(($(tell count "$temp/howdy.record" 0) + $(tell count "$temp/gateway.record" 0)))
  [ -z "$(tell failures "$temp/howdy.record")" ] || broken "requests to howdy failed: $(tell failures "$temp/howdy.record" | head -n 3)"
  [ -z "$(tell failures "$temp/gateway.record")" ] || broken "requests to gateway failed: $(tell failures "$temp/gateway.record" | head -n 3)"
  printf '%s requests were answered, none failed\n' "$answers"
  wait_for 70 'a run of the job' tally_ran
  enter nelson logs tally
  enter nelson history -n 12
}
tally_ran() { nelson logs tally | grep -q 'tally heard: howdy'; }
