#!/bin/sh
# Runs the broker: waits for the first password file, fills the configuration, and sends SIGHUP when the provisioner
# has written a new generation. Never between a start of the broker and the bridge's first connection: messages in
# between would be lost (measured). At its start the broker reads the file by itself.
#
# BROKER_DIR  folder shared with the provisioner, also the broker's own state      (/broker)
# MQTT_PORT   where the broker listens                                              (1883)
# MOSQUITTO   the broker's program                                                  (mosquitto)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${BROKER_DIR:-/broker}
port=${MQTT_PORT:-1883}
program=${MOSQUITTO:-mosquitto}
user=$(id -un 2>/dev/null || echo mosquitto)
umask 027

say() { printf 'entrypoint: %s\n' "$*"; }

replace() { # name, text: whoever reads sees the old file or the new one
    printf '%s\n' "$2" >"$folder/.$1.new"
    mv "$folder/.$1.new" "$folder/$1"
}

# Children of a shell that waits in the foreground would keep it from hearing TERM: so it waits for background ones.
pause() {
    sleep "$1" &
    wait $! 2>/dev/null || true
}

ended=''
trap 'ended=yes' TERM INT
[ -s "$folder/passwords" ] || say "waiting for $folder/passwords"
while [ ! -s "$folder/passwords" ] || [ ! -s "$folder/generation" ]; do
    [ -z "$ended" ] || exit 0
    pause 1
done

# Mosquitto 2.1 keeps its state in SQLite, change by change; 2.0 saves snapshots.
case $("$program" -h | head -n 1) in
*' 2.0.'* | *' 1.'*) persistence=persistence-2.0.conf ;;
*) persistence=persistence-2.1.conf ;;
esac
cat "$here/mosquitto.conf" "$here/$persistence" |
    sed -e "s|@LISTENER@|$port|" -e "s|@FOLDER@|$folder|" -e "s|@USER@|$user|" >"$folder/.mosquitto.conf.new"
mv "$folder/.mosquitto.conf.new" "$folder/mosquitto.conf"
cat "$here/acl" >"$folder/.acl.new"
mv "$folder/.acl.new" "$folder/acl"
rm -f "$folder/.bridge-was-here" "$folder/.log"
mkfifo -m 600 "$folder/.log"

loaded=$(cat "$folder/generation")
"$program" -c "$folder/mosquitto.conf" >"$folder/.log" 2>&1 &
broker=$!
trap 'kill -TERM "$broker" 2>/dev/null || true' TERM INT

# The broker's lines go on to our output; one of them tells that the bridge is here.
while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
    *'New client connected from '*' as bridge ('*) : >"$folder/.bridge-was-here" ;;
    esac
done <"$folder/.log" &
reader=$!

keep_loaded() {
    told=''
    while kill -0 "$broker" 2>/dev/null; do
        if [ -e "$folder/.bridge-was-here" ]; then
            wanted=$(cat "$folder/generation" 2>/dev/null || true)
            if [ -n "$wanted" ] && [ "$wanted" != "$loaded" ]; then
                kill -HUP "$broker"
                loaded=$wanted
                told=''
                # The broker has one thread: a client that comes after the signal is served after the reload.
                sleep 1
            fi
            if [ -z "$told" ]; then
                replace applied "$loaded"
                told=yes
            fi
        fi
        sleep 1
    done
}
keep_loaded &
keeper=$!

# A signal ends this wait early, so it is repeated until the broker is really gone.
status=0
while :; do
    wait "$broker" && status=0 || status=$?
    kill -0 "$broker" 2>/dev/null || break
done
kill "$keeper" 2>/dev/null || true
wait "$reader" "$keeper" 2>/dev/null || true
rm -f "$folder/.log" "$folder/.bridge-was-here"
exit "$status"
