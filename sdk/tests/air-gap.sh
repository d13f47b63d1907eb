#!/bin/sh
# Runs in a network namespace of its own, which has a loopback and no routes: unpacks the bundle, installs it, and uses it.
#
#   air-gap.sh BUNDLE FOLDER      with PATH holding nothing but what a plain system has
set -eu

bundle=$1
folder=$2

# Only what is said here to be so is tested.
[ -z "$(ip route show table all type unicast | grep -v 'dev lo')" ] || { echo "this namespace has routes" >&2; exit 1; }
for tool in cargo rustc python3 node npm; do
    if command -v "$tool" > /dev/null; then echo "$tool is on the PATH" >&2; exit 1; fi
done

cd "$folder"
tar xzf "$bundle"
set -- skerry-*
unpacked=$1

"$unpacked/install.sh" --prefix "$folder/prefix"
PATH=$folder/prefix/bin:$PATH
skerry --version
skerry-hub --version

# Two nodes and a hub, over loopback.
pids=
end() {
    for pid in $pids; do kill "$pid" 2> /dev/null || true; done
    wait
}
trap end EXIT
started() {
    tries=0
    until skerry --url "$1" status > /dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || { echo "$1 does not answer" >&2; exit 1; }
        sleep 0.1
    done
}
skerry --data "$folder/first" serve --listen 127.0.0.1:8787 > "$folder/first.log" 2>&1 &
pids="$pids $!"
started http://127.0.0.1:8787
printf '%s\n' \
    '{"key":"tide","text":"High water at noon, spring tide"}' \
    '{"key":"invoice","text":"Invoices are paid within thirty days"}' > "$folder/records.jsonl"
skerry --url http://127.0.0.1:8787 publish --project notes "$folder/records.jsonl"
skerry --url http://127.0.0.1:8787 query --project notes 'at what time is high tide' | tee "$folder/answer.txt"
head -n 1 "$folder/answer.txt" | grep -q tide

skerry --data "$folder/second" serve --listen 127.0.0.1:8788 > "$folder/second.log" 2>&1 &
pids="$pids $!"
started http://127.0.0.1:8788
skerry --url http://127.0.0.1:8788 sync http://127.0.0.1:8787
skerry --url http://127.0.0.1:8788 query --project notes 'at what time is high tide' > "$folder/answer-2.txt"
cmp "$folder/answer.txt" "$folder/answer-2.txt"

token=$(SKERRY_HUB_STORE=$folder/store skerry-hub token create --all --access write)
SKERRY_HUB_STORE=$folder/store skerry-hub serve --listen 127.0.0.1:8789 > "$folder/hub.log" 2>&1 &
pids="$pids $!"
tries=0
until grep -q 'listens on' "$folder/hub.log" 2> /dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { cat "$folder/hub.log" >&2; exit 1; }
    sleep 0.1
done
SKERRY_PEER_API_KEY=$token skerry --url http://127.0.0.1:8787 sync http://127.0.0.1:8789

echo "the bundle works without a network"
