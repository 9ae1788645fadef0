#!/bin/sh
# Runs the broker: waits for the first password file, fills the configuration, and sends SIGHUP when the provisioner
# has written a new generation. Never between a start of the broker and the bridge's first connection: messages in
# between would be lost (measured). At its start the broker reads the file by itself.
#
# BROKER_DIR  folder shared with the provisioner, also the broker's own state      (/broker)
# MQTT_PORT   where the broker listens for loggers                                  (1883)
# BRIDGE_PORT where it listens for the bridge; never publish this one               (1884)
# MOSQUITTO   the broker's program                                                  (mosquitto)
# PLUGIN      the SQLite persistence of 2.1                                         (/usr/lib/mosquitto_persist_sqlite.so)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${BROKER_DIR:-/broker}
port=${MQTT_PORT:-1883}
bridge_port=${BRIDGE_PORT:-1884}
program=${MOSQUITTO:-mosquitto}
plugin=${PLUGIN:-/usr/lib/mosquitto_persist_sqlite.so}
user=$(id -un 2>/dev/null || echo mosquitto)
umask 027

say() { printf 'entrypoint: %s\n' "$*"; }

replace() { # name, text: whoever reads sees the old file or the new one
    printf '%s\n' "$2" >"$folder/.$1.new" && mv "$folder/.$1.new" "$folder/$1"
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

# Mosquitto 2.1 keeps its state in SQLite, change by change; 2.0 saves snapshots. Who has a snapshot stays with it, for
# the plugin would start without the sessions and messages in it.
persistence=persistence-2.0.conf
case $("$program" -h | head -n 1) in
*' 2.0.'* | *' 1.'*) ;;
*) if [ -f "$plugin" ] && [ ! -e "$folder/mosquitto.db" ]; then persistence=persistence-2.1.conf; fi ;;
esac

# As many connections as the system lets us open files, less a hundred: the bridge always finds room.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
files=$(ulimit -n)
[ "$files" != unlimited ] && [ "$files" -lt 20100 ] || files=20100
connections=$((files - 100))
[ "$connections" -ge 50 ] || connections=50

cat "$here/mosquitto.conf" "$here/$persistence" "$here/bridge-listener.conf" |
    sed -e "s|@LISTENER@|$port|" -e "s|@FOLDER@|$folder|" -e "s|@USER@|$user|" -e "s|@CONNECTIONS@|$connections|" \
        -e "s|@PLUGIN@|$plugin|" -e "s|@BRIDGE_LISTENER@|$bridge_port|" >"$folder/.mosquitto.conf.new"
mv "$folder/.mosquitto.conf.new" "$folder/mosquitto.conf"
cat "$here/acl" >"$folder/.acl.new"
mv "$folder/.acl.new" "$folder/acl"
rm -f "$folder/.bridge-was-here" "$folder/.log"
: >"$folder/refused.log"
mkfifo -m 600 "$folder/.log"

loaded=$(cat "$folder/generation")
"$program" -c "$folder/mosquitto.conf" >"$folder/.log" 2>&1 &
broker=$!
trap 'kill -TERM "$broker" 2>/dev/null || true' TERM INT

# The broker's lines go on to our output; one of them tells that the bridge is here. Refused logins, which 2.1 logs with
# their address, are also kept for whoever shuts such addresses out (fail2ban/): two files of at most 10,000 lines.
# On a full disk lines are lost and nothing else: what could not be written is tried again.
refused=0
here=''
while IFS= read -r line; do
    printf '%s\n' "$line" || true
    case $line in
    *'] disconnected: not authorised.')
        printf '%s\n' "$line" >>"$folder/refused.log" || true
        refused=$((refused + 1))
        if [ "$refused" -ge 10000 ]; then
            mv "$folder/refused.log" "$folder/refused.log.1" || true
            refused=0
        fi
        ;;
    *'New client connected from '*" u'bridge')"*) here=yes ;;
    esac
    if [ -n "$here" ] && touch "$folder/.bridge-was-here"; then here=''; fi
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
            if [ -z "$told" ] && replace applied "$loaded"; then told=yes; fi
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
